r"""The GNU build id of an ELF file, where every kernel finds the same. See elf(5) and lib/buildid.c.

The kernel (build_id_parse() of Linux 6.12 and later) takes files of type ET_EXEC and ET_DYN, looks at the first
256 program headers, walks each PT_NOTE segment in steps of 4 bytes, whatever its alignment says, and takes the
first note of type 3 and name `GNU\0` with 1 to 20 bytes. It looks at no section. It reads in the machine's own byte
order, never in the one that the file declares: a type of 2 or 3 reads so in one order only, which is the file's here.

Kernels differ in the rest. Linux 6.11 looks at the first page only and takes a note that ends past its segment;
before 777a8560fd29 ("lib/buildid: use __kernel_read() for sleepable context") (in v6.19) a kernel reads on in the last
page, behind the end of the file; none has a bound on how long a segment is. So a file has no id here
that holds two different ones, a matching note that is torn, headers or notes that reach past the end of the file or
past 4 GiB, or more than 64 KiB of notes. For every other file a kernel finds the id that is returned, or none.
"""

import struct

from mapsd.light import Callable, Iterator, NamedTuple

HEADERS, ID_SIZE = 256, 20  # MAX_PHDR_CNT, lib/buildid.c; BUILD_ID_SIZE_MAX, include/linux/buildid.h
NOTES = 1 << 16  # bytes
_PT_NOTE, _NT_GNU_BUILD_ID, _NAME, _NOTE = 4, 3, b"GNU\0", 12
_WORD, _LOFF_MAX = (1 << 32) - 1, (1 << 63) - 1

# e_type, as the bytes of ET_EXEC and ET_DYN in either order.
_ORDERS = {b"\2\0": "<", b"\3\0": "<", b"\0\2": ">", b"\0\3": ">"}
# By EI_CLASS: e_phoff and e_phnum of the file's header; p_type, p_offset and p_filesz of a program header.
_CLASSES = {b"\x7fELF\1": ("28xI12xH6x", "II8xI12x"), b"\x7fELF\2": ("32xQ16xH6x", "I4xQ16xQ16x")}

Read = Callable[[int, int], bytes]


class _Headers(NamedTuple):
    """Where the program headers are, in bytes, and their form."""

    offset: int
    size: int
    program: struct.Struct
    note: struct.Struct


def build_id(read: Read) -> bytes | None:
    """Return the build id of a file, 1 to 20 bytes; None where there is none, or where kernels may differ.

    *read* returns the bytes at an offset, as many as asked, fewer only at the end of the file; what it raises
    is not caught. It is asked at most 258 times, for less than 80 KiB in all, at offsets below 2^63.
    """
    headers = _headers(read(0, 64))
    table = read(headers.offset, headers.size) if headers else b""
    if headers is None or len(table) < headers.size:
        return None
    found: set[bytes] = set()
    left = NOTES
    for kind, offset, size in headers.program.iter_unpack(table):
        if kind != _PT_NOTE:
            continue
        left -= size
        notes = read(offset, size) if left >= 0 and offset + size <= _WORD else None
        if notes is None or len(notes) < size:
            return None
        found.update(_ids(notes, headers.note))
    return found.pop() if len(found) == 1 and b"" not in found else None


def _headers(head: bytes) -> _Headers | None:
    forms, order = _CLASSES.get(head[:5]), _ORDERS.get(head[16:18])
    if forms is None or order is None:
        return None
    file, program = (struct.Struct(order + form) for form in forms)
    if len(head) < file.size:
        return None
    offset, count = file.unpack_from(head)
    size = min(count, HEADERS) * program.size
    return _Headers(offset, size, program, struct.Struct(order + "III")) if offset + size <= _LOFF_MAX else None


def _ids(notes: bytes, form: struct.Struct) -> Iterator[bytes]:
    """Yield the id of each matching note of a segment, b"" for a note that is torn."""
    at = 0
    while len(notes) - at > _NOTE:
        name, length, kind = form.unpack_from(notes, at)
        start, end = at + _NOTE + len(_NAME), at + _NOTE + _aligned(name) + _aligned(length)
        if (kind, name) == (_NT_GNU_BUILD_ID, len(_NAME)) and 0 < length <= ID_SIZE and (
                _NAME.startswith(notes[at + _NOTE:start])):
            yield notes[start:start + length] if end <= len(notes) else b""
        at = end


def _aligned(size: int) -> int:
    # The kernel's ALIGN() of 32 bits: a size near 2^32 becomes 0.
    return (size + 3) & _WORD & ~3
