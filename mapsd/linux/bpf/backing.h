/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * From a file of an overlay to the file that it stands for.
 */
#ifndef MAPSD_BACKING_H
#define MAPSD_BACKING_H

#include "kernel.h"

/*
 * A vfsmount is read as a part of its mount: the kernel caches few types of those that it relocates by, and the names
 * vfsmount and super_block share a place there (kernel/bpf/btf.c, check_cand_cache), so that each would be searched anew.
 */
static __always_inline struct mount *real_mount(struct vfsmount *mnt)
{
	return (struct mount *)((char *)mnt - bpf_core_field_offset(struct mount, mnt));
}

/*
 * The path by which the user of a backing file opened it, or false for any other file.
 *
 * FMODE_BACKING is a macro that BTF does not show, and its bit has moved: bit 25 since v6.5 (62d53c4a1dfe "fs: use
 * backing_file container for internal files with "fake" f_path"), bit 24 since v6.14, where bit 25 means
 * something else. So either bit is asked for and the pair behind the file is checked: its mount and its dentry must
 * be of one superblock, which must not be the one of the file itself.
 */
static __always_inline bool user_path_of(struct file *file, struct path *path)
{
	struct super_block *sb;
	struct path found;	/* where it is none, what lies behind the file is anything */

	if (!bpf_core_field_exists(struct backing_file, user_path))
		return false;
	if (!(BPF_CORE_READ(file, f_mode) & (1u << 24 | 1u << 25)))
		return false;
	if (bpf_probe_read_kernel(&found, sizeof(found), (char *)file + bpf_core_field_offset(struct backing_file, user_path)))
		return false;
	if (!found.mnt || !found.dentry)
		return false;
	sb = BPF_CORE_READ(found.dentry, d_sb);
	if (!sb || sb != BPF_CORE_READ(real_mount(found.mnt), mnt.mnt_sb) || sb == BPF_CORE_READ(file, f_inode, i_sb) ||
	    sb != BPF_CORE_READ(found.dentry, d_inode, i_sb))
		return false;
	*path = found;
	return true;
}

#endif
