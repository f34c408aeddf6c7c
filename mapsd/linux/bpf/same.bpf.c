// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * One record for every mapping of a file: enough to tell whether two of them hold one file, by one mount. Most lookups ask no more, and
 * the kernel loads this in a seventh of the time of held.bpf.c. Read by mapsd/parse/same.py.
 */
#include "backing.h"

struct record {
	__u64 start, end, offset;
	__u64 key, inode;	/* as held.bpf.c has them */
	__u64 user_inode;
	__u32 device, user_device;
	__u32 mount_id, unused;	/* of the mount that the user opened it on */
};

SEC("iter/task_vma")
int same(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct record record;
	struct inode *inode;
	struct file *file;
	struct path user;

	if (!ctx->task || !vma || !vma->vm_file)
		return 0;
	file = vma->vm_file;
	inode = file->f_inode;
	bpf_core_read(&user, sizeof(user), &file->f_path);
	user_path_of(file, &user);
	record.start = vma->vm_start;
	record.end = vma->vm_end;
	record.offset = vma->vm_pgoff;
	record.key = (__u64)inode;
	record.inode = BPF_CORE_READ(inode, i_ino);
	record.device = BPF_CORE_READ(inode, i_sb, s_dev);
	record.user_inode = BPF_CORE_READ(user.dentry, d_inode, i_ino);
	record.user_device = BPF_CORE_READ(user.dentry, d_sb, s_dev);
	record.mount_id = BPF_CORE_READ(real_mount(user.mnt), mnt_id);
	record.unused = 0;
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
