// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * maps, taught: a line for every mapping of a file, of every process, that says which file it really holds. The
 * fields are separated by tabs; docs/teach.md describes them. It is pinned in bpffs and read by a plain cat, by several
 * readers at a time: a run can be preempted by another on its processor, so each claims a buffer of its own.
 */
#include "layer.h"

#include <bpf/bpf_tracing.h>

#define SLOTS 32
#define VM_READ 1
#define VM_WRITE 2
#define VM_EXEC 4
#define VM_MAYSHARE 0x80
#define MINOR_BITS 20
#define MINOR ((1 << MINOR_BITS) - 1)
#define DELETE 0x7f

struct slot {
	__u32 taken;
	struct text user, file;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

static long claim(__u32 index, void *data)
{
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);

	if (!slot || __sync_val_compare_and_swap(&slot->taken, 0, 1))
		return 0;
	*(__u32 *)data = index;
	return 1;
}

/* A name may forge neither a field nor a line nor a terminal's command: such bytes are shown as '?'. */
static long tame(__u32 index, void *data)
{
	struct text *text = *(struct text **)data;
	__u32 at = text->start + index;
	char byte;

	if (at >= PATH_SIZE - 1)
		return 1;
	byte = text->bytes[at & (PATH_SIZE - 1)];
	if ((unsigned char)byte < ' ' || byte == DELETE)
		text->bytes[at & (PATH_SIZE - 1)] = '?';
	return 0;
}

static __always_inline void write(struct seq_file *seq, struct text *text)
{
	__u32 start = text->start & (PATH_SIZE - 1), len = (PATH_SIZE - 1 - start) & (PATH_SIZE - 1);

	bpf_loop(len, tame, &text, 0);
	if (len)
		bpf_seq_write(seq, text->bytes + start, len);
	else
		bpf_seq_write(seq, "/", 1);
}

static __always_inline void device(struct seq_file *seq, __u32 dev, __u64 inode)
{
	BPF_SEQ_PRINTF(seq, "\t%02x:%02x\t%llu", dev >> MINOR_BITS, dev & MINOR, inode);
}

static __always_inline void backing(struct seq_file *seq, struct file *file, struct path *real, struct super_block *sb,
				    struct text *text)
{
	struct position position = {-1, -1, 0, 0};
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	bool known = BPF_CORE_READ(sb, s_magic) == OVERLAYFS_SUPER_MAGIC && layer_of(real->mnt, sb, &position);

	device(seq, BPF_CORE_READ(inode, i_sb, s_dev), BPF_CORE_READ(inode, i_ino));
	if (known)
		BPF_SEQ_PRINTF(seq, "\t%d\t", position.layer);
	else
		BPF_SEQ_PRINTF(seq, "\t?\t");
	path_to(text, real->dentry, NULL, BPF_CORE_READ(real_mount(real->mnt), mnt.mnt_root), NULL);
	write(seq, text);
}

static __always_inline void mapping(struct seq_file *seq, struct task_struct *task, struct vm_area_struct *vma,
				    struct slot *slot)
{
	struct file *file = vma->vm_file;
	struct path real, user, root;
	unsigned long flags = vma->vm_flags;
	bool stands;
	__u32 met;

	bpf_core_read(&real, sizeof(real), &file->f_path);
	bpf_core_read(&root, sizeof(root), &task->fs->root);
	user = real;
	stands = user_path_of(file, &user);
	BPF_SEQ_PRINTF(seq, "%d\t%08lx-%08lx", task->tgid, vma->vm_start, vma->vm_end);
	BPF_SEQ_PRINTF(seq, "\t%s%s", flags & VM_READ ? "r" : "-", flags & VM_WRITE ? "w" : "-");
	BPF_SEQ_PRINTF(seq, "%s%s\t%lu", flags & VM_EXEC ? "x" : "-", flags & VM_MAYSHARE ? "s" : "p", vma->vm_pgoff);
	device(seq, BPF_CORE_READ(user.dentry, d_sb, s_dev), BPF_CORE_READ(user.dentry, d_inode, i_ino));
	met = path_to(&slot->user, user.dentry, user.mnt, root.dentry, root.mnt);
	BPF_SEQ_PRINTF(seq, "\t%s\t", met & CUT ? "cut" : !(met & REACHED) ? "unreachable" :
		       met & UNHASHED ? "deleted" : "-");
	write(seq, &slot->user);
	if (stands)
		backing(seq, file, &real, BPF_CORE_READ(user.dentry, d_sb), &slot->file);
	else
		BPF_SEQ_PRINTF(seq, "\t-\t-\t-\t-");
	BPF_SEQ_PRINTF(seq, "\n");
}

SEC("iter/task_vma")
int maps(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	__u32 index = SLOTS;
	struct slot *slot;

	if (!task || !vma || !vma->vm_file)
		return 0;
	/* Threads share what they map; a leader that has exited maps nothing any more. */
	if (task->pid != task->tgid && BPF_CORE_READ(task, group_leader, mm))
		return 0;
	bpf_loop(SLOTS, claim, &index, 0);
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return 1;	/* asked for again */
	mapping(ctx->meta->seq, task, vma, slot);
	slot->taken = 0;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
