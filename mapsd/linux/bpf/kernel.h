/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * The members of kernel structures that the programs read, to be relocated by the running kernel (CO-RE): only
 * names and types matter here, not offsets. A structure that moved or a member that is gone is asked for first.
 */
#ifndef MAPSD_KERNEL_H
#define MAPSD_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct file_system_type {
	const char *name;
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
	struct file_system_type *s_type;
	void *s_fs_info;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	__u32 i_generation;
	unsigned short i_mode;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
	int mnt_flags;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
	int mnt_id;
};

struct file {
	unsigned int f_mode;
	struct path f_path;
	struct inode *f_inode;
};

struct backing_file {
	struct path user_path;
};

struct ovl_layer {
	struct vfsmount *mnt;
};

struct ovl_fs {
	unsigned int numlayer;
	unsigned int numdatalayer;
	struct ovl_layer *layers;
};

struct fs_struct {
	struct path root;
};

struct list_head {
	struct list_head *prev;
};

struct signal_struct {
	struct list_head thread_head;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct mm_struct {
	unsigned long start_brk, brk, start_stack;
	struct {
		void *vdso;
	} context;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct list_head thread_node;
	struct signal_struct *signal;
	struct pid *thread_pid;
	struct mm_struct *mm;
	struct fs_struct *fs;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
	struct mm_struct *vm_mm;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num;
};

#pragma clang attribute pop

/*
 * No structure of the kernel's memory: the verifier takes its members as the iterator's arguments, by their places. Its
 * name is not relocated by, since it shares a place with super_block's in the kernel's cache (see backing.h).
 */
struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#endif
