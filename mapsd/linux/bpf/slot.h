/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * A buffer for each run of a program that several readers share: a run can be preempted, and another one follows on the
 * same processor (PREEMPT_RCU; only migration is disabled), so neither one buffer nor one a processor is enough.
 */
#ifndef MAPSD_SLOT_H
#define MAPSD_SLOT_H

#include "walk.h"

#define SLOTS 64

struct slot {
	__u32 taken;
	struct text text;
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

/* A slot of the run's own, NULL where all are taken. */
static __always_inline struct slot *claimed(void)
{
	__u32 index = SLOTS;
	struct slot *slot;

	bpf_loop(SLOTS, claim, &index, 0);
	slot = bpf_map_lookup_elem(&slots, &index);
	if (slot)
		slot->text.start = PATH_SIZE - 1;
	return slot;
}

/* With an exchange: what was done in the slot comes before, on every machine. */
static __always_inline void release(struct slot *slot)
{
	__sync_lock_test_and_set(&slot->taken, 0);
}

#endif
