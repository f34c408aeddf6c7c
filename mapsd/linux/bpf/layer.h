/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * Which layer of an overlay a mount is: the overlay has a private clone of a mount for each (fs/overlayfs/super.c).
 */
#ifndef MAPSD_LAYER_H
#define MAPSD_LAYER_H

#include "walk.h"

#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define LAYERS 512

/* -1: none. Under a nested overlay *layer* is the inner one's, and *outer* the outer one's layer that is the inner. */
struct position {
	__s32 outer, layer;
	__u32 layers, data_layers;
};

static __always_inline struct vfsmount *layer_mount(struct ovl_layer *layers, __u32 index)
{
	struct ovl_layer *layer = (void *)((char *)layers + index * bpf_core_type_size(struct ovl_layer));

	return BPF_CORE_READ(layer, mnt);
}

struct match {
	struct ovl_layer *layers;
	struct vfsmount *mnt;
	__s32 found;
};

static long match(__u32 index, void *data)
{
	struct match *asked = data;

	if (layer_mount(asked->layers, index) != asked->mnt)
		return 0;
	asked->found = index;
	return 1;
}

static __noinline __s32 find(struct super_block *sb, struct vfsmount *mnt, struct position *position)
{
	struct ovl_fs *ofs = BPF_CORE_READ(sb, s_fs_info);
	struct match asked = {BPF_CORE_READ(ofs, layers), mnt, -1};
	__u32 count = BPF_CORE_READ(ofs, numlayer);

	bpf_loop(count < LAYERS ? count : LAYERS, match, &asked, 0);
	position->layers = count;
	position->data_layers = 0;
	if (bpf_core_field_exists(ofs->numdatalayer))
		position->data_layers = BPF_CORE_READ(ofs, numdatalayer);
	return asked.found;
}

/* An overlay's layer may be an overlay itself, no deeper (FILESYSTEM_MAX_STACK_DEPTH). */
struct nested {
	struct ovl_layer *layers;
	struct vfsmount *mnt;
	struct position *position;
};

static long descend(__u32 index, void *data)
{
	struct nested *asked = data;
	struct vfsmount *mnt = layer_mount(asked->layers, index);
	struct super_block *sb = mnt ? BPF_CORE_READ(real_mount(mnt), mnt.mnt_sb) : NULL;
	__s32 found;

	if (!sb || BPF_CORE_READ(sb, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return 0;
	found = find(sb, asked->mnt, asked->position);
	if (found < 0)
		return 0;
	asked->position->layer = found;
	asked->position->outer = index;
	return 1;
}

/* Whether the overlay of a superblock has this mount as a layer; unknown (no) where its module describes no types. */
static __always_inline bool layer_of(struct vfsmount *mnt, struct super_block *sb, struct position *position)
{
	struct nested nested = {NULL, mnt, position};
	struct ovl_fs *ofs;
	__u32 count;

	if (!bpf_core_type_exists(struct ovl_fs))
		return false;
	ofs = BPF_CORE_READ(sb, s_fs_info);
	count = BPF_CORE_READ(ofs, numlayer);
	nested.layers = BPF_CORE_READ(ofs, layers);
	position->layer = find(sb, mnt, position);
	if (position->layer < 0)
		bpf_loop(count < LAYERS ? count : LAYERS, descend, &nested, 0);
	return position->layer >= 0;
}

#endif
