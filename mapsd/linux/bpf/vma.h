/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * What maps says of a mapping (fs/proc/task_mmu.c), and of whom.
 */
#ifndef MAPSD_VMA_H
#define MAPSD_VMA_H

#include "line.h"

#define PF_KTHREAD 0x200000
#define VM_READ 1
#define VM_WRITE 2
#define VM_EXEC 4
#define VM_MAYSHARE 0x80

/*
 * Threads share what they map: the first that has memory stands for all, as the leader may have exited. The kernel
 * leaves out only those that share their descriptors.
 */
static __always_inline bool first(struct task_struct *task)
{
	struct list_head *before = BPF_CORE_READ(task, thread_node.prev);
	struct task_struct *other;

	if (task->flags & PF_KTHREAD)
		return false;	/* kthread_use_mm(): another's memory */
	if (task->pid == task->tgid)
		return true;
	other = (void *)((char *)before - bpf_core_field_offset(struct task_struct, thread_node));
	return !BPF_CORE_READ(task, group_leader, mm) && !BPF_CORE_READ(other, mm);
}

/* The process as the reader's pid namespace numbers it. */
static __always_inline __u32 pid_of(struct task_struct *task)
{
	struct task_struct *reader = (void *)bpf_get_current_task();
	__u32 level = BPF_CORE_READ(reader, thread_pid, level), nr = task->tgid;
	struct pid *pid;

	if (!level)
		return nr;
	pid = BPF_CORE_READ(task, group_leader, thread_pid);
	if (level <= BPF_CORE_READ(pid, level))
		bpf_probe_read_kernel(&nr, sizeof(nr), (char *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, nr));
	return nr;
}

/* The fields of maps, from the last to the first: a text is written from its end. */
static __always_inline void columns(struct text *text, __u32 pid, struct vm_area_struct *vma, __u32 dev, __u64 inode,
				    __u32 shift)
{
	unsigned long flags = vma->vm_flags;

	file_id(text, dev, inode);
	put(text, '\t');
	hexadecimal(text, vma->vm_file ? (__u64)vma->vm_pgoff << shift : 0, 8);
	put(text, '\t');
	put(text, flags & VM_MAYSHARE ? 's' : 'p');
	put(text, flags & VM_EXEC ? 'x' : '-');
	put(text, flags & VM_WRITE ? 'w' : '-');
	put(text, flags & VM_READ ? 'r' : '-');
	put(text, '\t');
	hexadecimal(text, vma->vm_end, 8);
	put(text, '-');
	hexadecimal(text, vma->vm_start, 8);
	put(text, '\t');
	decimal(text, pid);
}

/* What maps says of mappings without a file where the memory's description says it: not of [vvar] and [anon:NAME]. */
static __always_inline void of_memory(struct seq_file *seq, struct text *text, struct vm_area_struct *vma, __u32 pid)
{
	struct mm_struct *mm = vma->vm_mm;

	put(text, '\n');
	if (bpf_core_field_exists(mm->context.vdso) && vma->vm_start == (unsigned long)BPF_CORE_READ(mm, context.vdso))
		BEFORE(text, "[vdso]");
	else if (vma->vm_start < mm->brk && vma->vm_end > mm->start_brk)
		BEFORE(text, "[heap]");
	else if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		BEFORE(text, "[stack]");
	else
		put(text, '-');
	BEFORE(text, "\t-\t-\t-\t-\t-\t");
	columns(text, pid, vma, 0, 0, 0);
	flush(seq, text);
}

#endif
