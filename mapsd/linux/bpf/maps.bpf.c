// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
/*
 * maps, taught: a line for every mapping of every process, with what maps says and which file the mapping really holds.
 * docs/teach.md describes the fields. It is pinned in bpffs and read by a plain cat.
 */
#include "kernel.h"

/* The first map: the loader sets it, since no kernel structure has it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} page_shift SEC(".maps");

#include "layer.h"
#include "slot.h"
#include "vma.h"

#define NAMELESS 8	/* beside what a walk meets: in no directory */
#define STILL_HERE 0xffff

static const char HEADER[] = "#pid\taddress\tperms\toffset\tdev\tinode\tbacking_dev\tbacking_inode\tlayer\tlayer_path\tname\tpath\n";

/* A path, no longer than LONGEST, and what was met on it. */
static __always_inline __u32 shortened(struct text *text, __u32 met)
{
	if (text->start >= PATH_SIZE - 1 - LONGEST)
		return met;
	text->start = PATH_SIZE - 1 - LONGEST;
	return met | CUT;
}

static __always_inline __u32 user_name(struct text *text, struct path *path, struct path *root)
{
	struct walk walk = {.text = text};

	text->start = PATH_SIZE - 1;
	/* A file that never was in a directory: shared anonymous memory, memfd_create(2). */
	if (BPF_CORE_READ(path->dentry, d_parent) == path->dentry) {
		prepend(&walk, path->dentry);
		return NAMELESS;
	}
	return shortened(text, path_to(text, path->dentry, path->mnt, root->dentry, root->mnt));
}

static __always_inline void say(struct seq_file *seq, __u32 met)
{
	if (met & NAMELESS)
		bpf_seq_write(seq, "nameless\t", 9);
	else if (met & CUT)
		bpf_seq_write(seq, "cut\t", 4);
	else if (!(met & REACHED))
		bpf_seq_write(seq, "unreachable\t", 12);
	else if (met & UNHASHED)
		bpf_seq_write(seq, "deleted\t", 8);
	else
		bpf_seq_write(seq, "-\t", 2);
}

/* Layer, inode and device of a backing file, from the last to the first. */
static __always_inline void backing(struct text *text, struct inode *inode, struct vfsmount *mnt, struct super_block *sb)
{
	struct position position = {-1, -1, 0, 0};

	put(text, '\t');
	if (BPF_CORE_READ(sb, s_magic) != OVERLAYFS_SUPER_MAGIC || !layer_of(mnt, sb, &position)) {
		put(text, '?');
	} else {
		decimal(text, position.layer);
		if (position.outer >= 0) {
			put(text, '/');
			decimal(text, position.outer);
		}
	}
	put(text, '\t');
	file_id(text, BPF_CORE_READ(inode, i_sb, s_dev), BPF_CORE_READ(inode, i_ino));
}

static __always_inline void in_layer(struct seq_file *seq, struct text *text, struct path *real)
{
	struct dentry *root = BPF_CORE_READ(real_mount(real->mnt), mnt.mnt_root);

	if ((shortened(text, path_to(text, real->dentry, NULL, root, NULL)) & (REACHED | CUT)) == REACHED)
		write(seq, text);
	else
		bpf_seq_write(seq, "?", 1);
	bpf_seq_write(seq, "\t", 1);
}

static __always_inline void of_file(struct seq_file *seq, struct text *text, struct task_struct *task,
				    struct vm_area_struct *vma, struct file *file, __u32 pid, __u32 shift)
{
	struct inode *inode = file->f_inode, *shown = inode;
	struct path real, user, root;
	bool stands;

	bpf_core_read(&real, sizeof(real), &file->f_path);
	bpf_core_read(&root, sizeof(root), &task->fs->root);
	user = real;
	stands = user_path_of(file, &user);
	if (stands) {
		backing(text, inode, real.mnt, BPF_CORE_READ(user.dentry, d_sb));
		shown = BPF_CORE_READ(user.dentry, d_inode);
	} else {
		BEFORE(text, "-\t-\t-\t-\t");
	}
	put(text, '\t');
	columns(text, pid, vma, BPF_CORE_READ(shown, i_sb, s_dev), BPF_CORE_READ(shown, i_ino), shift);
	flush(seq, text);
	if (stands)
		in_layer(seq, text, &real);
	say(seq, user_name(text, &user, &root));
	write(seq, text);
	bpf_seq_write(seq, "\n", 1);
}

SEC("iter/task_vma")
int maps(struct bpf_iter__task_vma *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	__u32 zero = 0, *shift = bpf_map_lookup_elem(&page_shift, &zero);
	struct slot *slot;

	if (!task || !vma || !shift)
		return 0;
	if (!ctx->meta->seq_num)
		bpf_seq_write(seq, HEADER, sizeof(HEADER) - 1);
	if (!first(task)) {
		/* Without a line in a million mappings a read ends with EAGAIN, and cat with it (MAX_ITER_OBJECTS). */
		if (!(ctx->meta->seq_num & STILL_HERE))
			bpf_seq_write(seq, "#\n", 2);
		return 0;
	}
	slot = claimed();
	if (!slot)
		return 1;	/* asked for again */
	if (vma->vm_file)
		of_file(seq, &slot->text, task, vma, vma->vm_file, pid_of(task), *shift);
	else
		of_memory(seq, &slot->text, vma, pid_of(task));
	release(slot);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
