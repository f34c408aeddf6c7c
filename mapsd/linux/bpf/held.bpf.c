// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * One record for every mapping of a file: which file it really holds. Read by mapsd/parse/held.py, which says what
 * each member means. A backing file's own path lies on the layer's mount since v6.7 (def3ae83da02 "fs: store real
 * path instead of fake path in backing file f_path").
 */
#include "layer.h"

#define MAX_ERRNO 4095

enum {
	BACKING = 8,		/* the kernel keeps a user path beside the file */
	LAYER = 16,		/* the file's mount is a layer of the user path's overlay */
	OVERLAY = 32,		/* the user path is an overlay's */
	FLAG_SHIFT = 8,		/* of what the walks met: user path, path in the layer, path of the layer */
};

struct record {
	__u64 start, end, offset;
	__u64 key;		/* the inode itself, to compare with another mapping's */
	__u64 inode, root_inode, user_inode;
	__u32 device, root_device, user_device;
	__u32 nlink, generation;
	__u32 mount_id, namespace, mount_flags;
	struct position position;
	__u32 flags;
	__u32 user_len, file_len, root_len;
	char fs_type[16];
};

struct scratch {
	struct record record;
	struct text user, file, root;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline void identify(struct record *record, struct inode *inode)
{
	record->key = (__u64)inode;
	record->inode = BPF_CORE_READ(inode, i_ino);
	record->device = BPF_CORE_READ(inode, i_sb, s_dev);
	record->nlink = BPF_CORE_READ(inode, i_nlink);
	record->generation = BPF_CORE_READ(inode, i_generation);
	bpf_probe_read_kernel_str(record->fs_type, sizeof(record->fs_type), BPF_CORE_READ(inode, i_sb, s_type, name));
}

static __always_inline void on_mount(struct record *record, struct path *path)
{
	struct mount *mount = real_mount(path->mnt);
	struct mnt_namespace *ns = BPF_CORE_READ(mount, mnt_ns);

	record->mount_id = BPF_CORE_READ(mount, mnt_id);
	if ((unsigned long)ns >= (unsigned long)-MAX_ERRNO)
		record->namespace = 1;	/* MNT_NS_INTERNAL */
	else if (ns)
		record->namespace = BPF_CORE_READ(ns, ns.inum) ?: 1;
	record->user_inode = BPF_CORE_READ(path->dentry, d_inode, i_ino);
	record->user_device = BPF_CORE_READ(path->dentry, d_sb, s_dev);
}

static __always_inline void in_layer(struct scratch *scratch, struct path *path)
{
	struct record *record = &scratch->record;
	struct dentry *root = BPF_CORE_READ(real_mount(path->mnt), mnt.mnt_root);

	record->mount_flags = BPF_CORE_READ(real_mount(path->mnt), mnt.mnt_flags);
	record->root_inode = BPF_CORE_READ(root, d_inode, i_ino);
	record->root_device = BPF_CORE_READ(root, d_sb, s_dev);
	record->flags |= path_to(&scratch->file, path->dentry, NULL, root, NULL) << FLAG_SHIFT * 2;
	record->flags |= path_to(&scratch->root, root, NULL, NULL, NULL) << FLAG_SHIFT * 3;
	record->file_len = PATH_SIZE - 1 - scratch->file.start;
	record->root_len = PATH_SIZE - 1 - scratch->root.start;
}

static __always_inline void write(struct seq_file *seq, struct text *text)
{
	__u32 start = text->start & (PATH_SIZE - 1);

	bpf_seq_write(seq, text->bytes + start, (PATH_SIZE - 1 - start) & (PATH_SIZE - 1));
}

SEC("iter/task_vma")
int held(struct bpf_iter__task_vma *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct scratch *scratch;
	struct super_block *sb;
	struct record *record;
	struct path real, user, root;
	struct file *file;
	__u32 zero = 0;

	if (!task || !vma || !vma->vm_file)
		return 0;
	scratch = bpf_map_lookup_elem(&scratches, &zero);
	if (!scratch)
		return 0;
	file = vma->vm_file;
	record = &scratch->record;
	__builtin_memset(record, 0, sizeof(*record));
	scratch->file.start = scratch->root.start = PATH_SIZE - 1;
	record->start = vma->vm_start;
	record->end = vma->vm_end;
	record->offset = vma->vm_pgoff;
	record->position.outer = record->position.layer = -1;
	identify(record, file->f_inode);
	bpf_core_read(&real, sizeof(real), &file->f_path);
	user = real;
	if (user_path_of(file, &user)) {
		record->flags |= BACKING;
		in_layer(scratch, &real);
		sb = BPF_CORE_READ(user.dentry, d_sb);
		if (BPF_CORE_READ(sb, s_magic) == OVERLAYFS_SUPER_MAGIC) {
			record->flags |= OVERLAY;
			if (layer_of(real.mnt, sb, &record->position))
				record->flags |= LAYER;
		}
	}
	on_mount(record, &user);
	bpf_core_read(&root, sizeof(root), &task->fs->root);
	record->flags |= path_to(&scratch->user, user.dentry, user.mnt, root.dentry, root.mnt) << FLAG_SHIFT;
	record->user_len = PATH_SIZE - 1 - scratch->user.start;
	bpf_seq_write(seq, record, sizeof(*record));
	write(seq, &scratch->user);
	write(seq, &scratch->file);
	write(seq, &scratch->root);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
