/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * From a dentry to its path.
 */
#ifndef MAPSD_WALK_H
#define MAPSD_WALK_H

#include "backing.h"

#define PATH_SIZE 4096
#define NAME_SIZE 256
#define DEPTH 1024

/* A path is written from its end towards the start of its buffer; a name may begin in the last byte. */
struct text {
	__u32 start;
	char bytes[2 * PATH_SIZE];	/* the verifier adds the greatest start and the greatest length */
};

/* What a walk towards a root met. */
enum {
	REACHED = 1,	/* the root that was asked for */
	UNHASHED = 2,	/* a name that is gone */
	CUT = 4,	/* longer than the buffer, or deeper than the bound */
};

struct walk {
	struct text *text;
	struct dentry *dentry;
	struct vfsmount *mnt;		/* NULL: stay inside one filesystem */
	struct dentry *root;
	struct vfsmount *root_mnt;
	__u32 met;
};

static __always_inline bool unhashed(struct dentry *dentry)
{
	return !BPF_CORE_READ(dentry, d_hash.pprev);
}

static __always_inline void prepend(struct walk *walk, struct dentry *dentry)
{
	struct text *text = walk->text;
	__u32 len = BPF_CORE_READ(dentry, d_name.len), start = text->start;

	if (len >= NAME_SIZE || len + 1 > start) {
		walk->met |= CUT;
		return;
	}
	start = (start - len) & (PATH_SIZE - 1);
	bpf_probe_read_kernel(text->bytes + start, len & (NAME_SIZE - 1), BPF_CORE_READ(dentry, d_name.name));
	start = (start - 1) & (PATH_SIZE - 1);
	text->bytes[start] = '/';
	text->start = start;
}

static long step(__u32 index, void *data)
{
	struct walk *walk = data;
	struct dentry *dentry = walk->dentry, *parent;
	struct vfsmount *mnt = walk->mnt;

	if (dentry == walk->root && mnt == walk->root_mnt) {
		walk->met |= REACHED;
		return 1;
	}
	if (mnt && dentry == BPF_CORE_READ(real_mount(mnt), mnt.mnt_root)) {
		struct mount *mount = real_mount(mnt), *above = BPF_CORE_READ(mount, mnt_parent);

		if (above == mount || !above)
			return 1;
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mnt = (struct vfsmount *)((char *)above + bpf_core_field_offset(struct mount, mnt));
		return 0;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	if (!parent || parent == dentry) {
		if (!walk->root)
			walk->met |= REACHED;
		return 1;
	}
	if (unhashed(dentry))
		walk->met |= UNHASHED;
	prepend(walk, dentry);
	if (walk->met & CUT)
		return 1;
	walk->dentry = parent;
	return 0;
}

/* Write the path from a root to a dentry; without a root, from the filesystem's own. */
static __always_inline __u32 path_to(struct text *text, struct dentry *dentry, struct vfsmount *mnt,
				     struct dentry *root, struct vfsmount *root_mnt)
{
	struct walk walk = {text, dentry, mnt, root, root_mnt, 0};

	if (unhashed(dentry) && BPF_CORE_READ(dentry, d_parent) != dentry)
		walk.met |= UNHASHED;	/* also where a mount begins at this very file */
	text->start = PATH_SIZE - 1;
	if (bpf_loop(DEPTH, step, &walk, 0) == DEPTH)
		walk.met |= CUT;
	return walk.met;
}

#endif
