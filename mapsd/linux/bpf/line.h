/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * The text of a line: numbers, and names that can forge neither a field nor a line nor a terminal's command.
 *
 * Not with bpf_seq_printf: it takes one of three buffers of its processor, and between v6.18-rc1 (4223bf833c84 "bpf:
 * Remove preempt_disable in bpf_try_get_buffers") and its repair a reader that was preempted there kept it, so that
 * others got -EBUSY.
 */
#ifndef MAPSD_LINE_H
#define MAPSD_LINE_H

#include "walk.h"

/* Two names with every byte escaped, and the numbers, fit the kernel's buffer: a longer line would end the reading. */
#define LONGEST 4000
#define EVERY 0x0101010101010101ull
#define DEL 0x7f
#define C1 0xc2		/* with a byte from 0x80 to 0x9f: a control character in UTF-8 */

static __always_inline void put(struct text *text, char byte)
{
	text->start = (text->start - 1) & (PATH_SIZE - 1);
	text->bytes[text->start] = byte;
}

#define BEFORE(text, word) before(text, word, sizeof(word) - 1)

static __always_inline void before(struct text *text, const char *word, __u32 len)
{
#pragma unroll
	for (__u32 left = len; left > 0; left--)
		put(text, word[left - 1]);
}

static __noinline int hexadecimal(struct text *text, __u64 value, __u32 width)
{
	for (__u32 digits = 0; digits < 16 && (value || digits < width); digits++) {
		put(text, (value & 15) + ((value & 15) < 10 ? '0' : 'a' - 10));
		value >>= 4;
	}
	return 0;
}

static __noinline int decimal(struct text *text, __u64 value)
{
	for (__u32 digits = 0; digits < 20; digits++) {
		/* A multiplication is several times faster than a division. */
		__u64 rest = value >> 32 ? value / 10 : value * 0xcccccccd >> 35;

		put(text, '0' + (value - rest * 10));
		value = rest;
		if (!value)
			break;
	}
	return 0;
}

/* A device and an inode, as maps prints them. */
static __always_inline void file_id(struct text *text, __u32 device, __u64 inode)
{
	decimal(text, inode);
	put(text, '\t');
	hexadecimal(text, device & ((1 << 20) - 1), 2);
	put(text, ':');
	hexadecimal(text, device >> 20, 2);
}

static __always_inline void flush(struct seq_file *seq, struct text *text)
{
	__u32 start = text->start & (PATH_SIZE - 1);

	bpf_seq_write(seq, text->bytes + start, (PATH_SIZE - 1 - start) & (PATH_SIZE - 1));
	text->start = PATH_SIZE - 1;
}

/* Whether a byte of eight is zero (Bit Twiddling Hacks, "Determine if a word has a zero byte"). */
static __always_inline __u64 zero(__u64 word)
{
	return (word - EVERY) & ~word & EVERY << 7;
}

struct name {
	struct seq_file *seq;
	struct text *text;
	__u64 special;
};

static long look(__u32 index, void *data)
{
	struct name *name = data;
	__u32 at = (name->text->start + index * 8) & (PATH_SIZE - 8);
	__u64 word = *(__u64 *)(name->text->bytes + at);

	name->special = ((word - EVERY * ' ') & ~word & EVERY << 7) | zero(word ^ EVERY * '\\') | zero(word ^ EVERY * DEL) |
			zero(word ^ EVERY * C1);
	return name->special != 0;
}

static __always_inline bool plain(unsigned char byte, unsigned char last)
{
	return byte >= ' ' && byte != '\\' && byte != DEL && !(byte >= 0x80 && byte < 0xa0 && last == C1);
}

/* Eight bytes, those that are not plain in octal, as mangle_path() of fs/seq_file.c has them. */
static long escape(__u32 index, void *data)
{
	struct name *name = data;
	char *bytes = name->text->bytes, out[64] = {};
	__u32 len = 0, start = name->text->start + index * 8;

	for (__u32 eight = 0; eight < 8; eight++) {
		__u32 at = start + eight;
		unsigned char byte = bytes[at & (PATH_SIZE - 1)];

		if (at >= PATH_SIZE - 1)
			break;
		if (plain(byte, bytes[(at - 1) & (PATH_SIZE - 1)])) {
			out[len++ & 63] = byte;
			continue;
		}
		out[len++ & 63] = '\\';
		out[len++ & 63] = '0' + (byte >> 6);
		out[len++ & 63] = '0' + (byte >> 3 & 7);
		out[len++ & 63] = '0' + (byte & 7);
	}
	bpf_seq_write(name->seq, out, len & 63);
	return 0;
}

/* Write a path that a walk has left: no more than LONGEST bytes. */
static __always_inline void write(struct seq_file *seq, struct text *text)
{
	struct name name = {seq, text, 0};
	__u32 start;

	if (text->start == PATH_SIZE - 1)
		put(text, '/');
	start = text->start & (PATH_SIZE - 1);
	/* Whole words are looked at: what is before and behind must not be another line's. */
	__builtin_memset(text->bytes + ((start - 7) & (PATH_SIZE - 1)), '/', 7);
	text->bytes[PATH_SIZE - 1] = '/';
	bpf_loop((PATH_SIZE - (start & -8)) / 8, look, &name, 0);
	if (name.special)
		bpf_loop((PATH_SIZE - start) / 8 + 1, escape, &name, 0);
	else
		bpf_seq_write(seq, text->bytes + start, (PATH_SIZE - 1 - start) & (PATH_SIZE - 1));
	text->start = PATH_SIZE - 1;
}

#endif
