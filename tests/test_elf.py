"""Build ids of hand-made ELF files: what every kernel finds, and bounded work on hostile ones."""

import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.parse import elf

A, B = b"\xaa" * 20, b"\xbb" * 20
PT_LOAD, PT_NOTE, PT_NULL = 1, 4, 0
EXEC, DYN, REL, CORE = 2, 3, 1, 4


class Program(NamedTuple):
    """A program header; *kind* is p_type."""

    offset: int
    size: int
    kind: int = PT_NOTE


def note(desc: bytes, name: bytes = b"GNU\0", kind: int = 3, order: str = "<", **sizes: int) -> bytes:
    """Return one note; *name_size* and *size* lie about its sizes."""
    head = struct.pack(order + "III", sizes.get("name_size", len(name)), sizes.get("size", len(desc)), kind)
    return head + name.ljust(-(-len(name) // 4) * 4, b"\0") + desc.ljust(-(-len(desc) // 4) * 4, b"\0")


def image(*parts: bytes | Program, bits: int = 64, order: str = "<", kind: int = DYN, **fields: int) -> bytes:
    """Return an ELF file of these segments; *count*, *offset*, *data*, *bits_said* and *one_said* change its header."""
    size, one = (64, 56) if bits == 64 else (52, 32)
    at = start = size + one * len(parts)
    headers = b""
    for part in parts:
        program = part if isinstance(part, Program) else Program(at, len(part))
        headers += _program(program, bits, order)
        at += len(part) if isinstance(part, bytes) else 0
    offset, count = fields.get("offset", size), fields.get("count", len(parts))
    ident = b"\x7fELF" + bytes([fields.get("bits_said", bits // 32), fields.get("data", "<>".index(order) + 1), 1])
    form, one_said = order + ("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH"), fields.get("one_said", one)
    header = ident.ljust(16, b"\0") + struct.pack(form, kind, 62, 1, 0, offset, 0, 0, size, one_said, count, 0, 0, 0)
    file = header + headers
    assert len(file) == start
    return file + b"".join(part for part in parts if isinstance(part, bytes))


def _program(program: Program, bits: int, order: str) -> bytes:
    offset, size, kind = program
    if bits == 64:
        return struct.pack(order + "IIQQQQQQ", kind, 4, offset, 0, 0, size, size, 4)
    return struct.pack(order + "IIIIIIII", kind, offset, 0, 0, size, size, 4, 4)


def moved(file: bytes, where: int, *parts: bytes) -> bytes:
    """Return a file with its program headers at another offset, in front of them *parts*."""
    return file[:32] + struct.pack("<Q", where) + file[40:64] + b"".join(parts).ljust(where - 64, b"\0") + file[64:]


def long_notes(size: int) -> bytes:
    return image(Program(4096, size)).ljust(4096 + size, b"\0")


PROPERTY = note(b"\2\0\0\xc0\4\0\0\0\3\0\0\0\0\0\0\0", kind=5)
HEADER = 64 + 56
FOUND = {
    "64 bit": (image(note(A)), A),
    "32 bit": (image(note(A), bits=32), A),
    "64 bit, the other order": (image(note(A, order=">"), order=">"), A),
    "32 bit, the other order": (image(note(A, order=">"), order=">", bits=32), A),
    "an executable": (image(note(A), kind=EXEC), A),
    "an order that is not the one declared": (image(note(A), data=2), A),
    "one byte": (image(note(b"\1")), b"\1"),
    "seven bytes": (image(note(b"1234567")), b"1234567"),
    "behind other notes": (image(note(b"x", kind=1) + PROPERTY + note(A)), A),
    "behind another name": (image(note(B, name=b"Go\0\0") + note(A)), A),
    "behind a long name": (image(note(B, name=b"stapsdt\0") + note(A)), A),
    "behind a note of another length": (image(note(b"c" * 21) + note(A)), A),
    "behind an empty note": (image(note(b"", name=b"") + note(A)), A),
    "behind a name of almost 2^32 bytes": (image(note(b"", name=b"", name_size=0xFFFFFFFF) + note(A)), A),
    "in the second segment": (image(Program(0, 100, PT_LOAD), PROPERTY, note(A)), A),
    "in the last header that is read": (image(*[Program(0, 1, PT_LOAD)] * 255, note(A)), A),
    "before headers that are not read": (image(note(A), *[Program(0, 1, PT_NULL)] * 255, note(B)), A),
    "twice the same": (image(note(A), note(A)), A),
    "behind the first page": (image(Program(8192, 36)).ljust(8192, b"\0") + note(A), A),
    "over the end of a page": (image(Program(4080, 36)).ljust(4080, b"\0") + note(A), A),
    "headers behind the first page": (moved(image(Program(64, 36)), 5000, note(A)), A),
    "with bytes behind the last note": (image(note(A) + b"\0" * 12), A),
    "beside an empty segment": (image(Program(0, 0), note(A)), A),
    "a header of a foreign size": (image(note(A), one_said=32), A),
    "as much as is read": (image(note(A), Program(4096, elf.NOTES - 36)).ljust(4096 + elf.NOTES, b"\0"), A),
}

NONE = {
    "nothing": b"",
    "a magic number": b"\x7fELF",
    "text": b"#!/bin/sh\n".ljust(200, b"#"),
    "no notes": image(Program(0, 100, PT_LOAD)),
    "no program headers": image(),
    "a relocatable file": image(note(A), kind=REL),
    "a core": image(note(A), kind=CORE),
    "an unknown class": image(note(A), bits_said=3),
    "another type": image(note(A, kind=1)),
    "another name": image(note(A, name=b"GNX\0")),
    "a name without its end": image(note(A, name=b"GNUX")),
    "a shorter name": image(note(A, name=b"GNU", name_size=3)),
    "no bytes": image(note(b"")),
    "too many bytes": image(note(b"c" * 21)),
    "a length near 2^32": image(note(A, size=0xFFFFFFF0)),
    "two ids in a segment": image(note(A) + note(B)),
    "two ids in two segments": image(note(A), note(B)),
    "two ids, one behind the first page": image(Program(8192, 36), note(B)).ljust(8192, b"\0") + note(A),
    "in a header that is not read": image(*[Program(0, 1, PT_LOAD)] * 256, note(A)),
    "a count of 65535": image(note(A), count=65535),
    "torn by its segment": image(note(A)[:20], note(B)),
    "torn behind its header": image(note(A)[:13], note(B)),
    "an unaligned end": image(note(b"1234567")[:-1]),
    "torn by the end of the file": image(note(A))[:-1],
    "a segment behind the end of the file": image(note(A), Program(1 << 20, 64)),
    "a segment at 2^63": image(note(A), Program(1 << 63, 64)),
    "a segment at the end of 64 bits": image(note(A), Program((1 << 64) - 16, 32)),
    "a segment that ends behind 4 GiB": image(note(A), Program((1 << 32) - 16, 32)),
    "a size of 2^32 and more": image(Program(HEADER, (1 << 32) + 36), note(A)),
    "a size of 2^64 - 1": image(note(A), Program(HEADER, (1 << 64) - 1)),
    "headers torn by the end of the file": image(note(A), Program(0, 0))[:HEADER + 20],
    "headers behind the end of the file": image(note(A), offset=1 << 20),
    "headers at 2^63": image(note(A), offset=1 << 63),
    "headers at the end of 64 bits": image(note(A), offset=(1 << 64) - 8),
    "notes without an end": long_notes(elf.NOTES + 4),
    "overlapping notes without an end": image(note(A), *[Program(0, 1000)] * 200).ljust(1000, b"\0"),
    "half a header": image(note(A))[:63],
    "half a header of 32 bit": image(note(A), bits=32)[:51],
}


class Reader:
    """Reads a file of bytes, counts, and refuses what pread(2) would."""

    def __init__(self, data: bytes) -> None:
        self.data, self.calls, self.bytes = bytes(data), 0, 0

    def __call__(self, offset: int, length: int) -> bytes:
        assert 0 <= offset < 1 << 63
        assert 0 <= length <= 1 << 17
        self.calls += 1
        found = self.data[offset:offset + length]
        self.bytes += len(found)
        return found


def read(data: bytes) -> bytes | None:
    """Return the build id, with the bounds on what is read."""
    reader = Reader(data)
    found = elf.build_id(reader)
    assert reader.calls <= 2 + elf.HEADERS
    assert reader.bytes <= 64 + elf.HEADERS * 56 + elf.NOTES
    assert found is None or 0 < len(found) <= elf.ID_SIZE
    return found


@pytest.mark.parametrize("name", FOUND)
def test_an_id_on_which_kernels_agree_is_found(name):
    file, expected = FOUND[name]
    assert read(file) == expected


@pytest.mark.parametrize("name", NONE)
def test_a_file_without_an_id_or_with_a_doubtful_one_has_none(name):
    assert read(NONE[name]) is None


def test_what_reading_raises_is_not_caught():
    def torn(offset: int, length: int) -> bytes:
        raise OSError(5, f"{offset} {length}")
    with pytest.raises(OSError, match="0 64"):
        elf.build_id(torn)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_within_bounds(data):
    read(data)
    read(b"\x7fELF" + data)
    read(image(data))


SMALL = [file for file in [*(file for file, _ in FOUND.values()), *NONE.values()] if len(file) < 1000]
bytes_of_interest = st.sampled_from((0, 1, 2, 3, 4, 20, 64, 127, 128, 255))
mutations = st.lists(st.tuples(st.integers(0, 400), bytes_of_interest), max_size=6)


def mutated(file: bytes, changes: list[tuple[int, int]], end: int) -> bytes:
    """Return a file with some bytes replaced, cut at *end*."""
    data = bytearray(file)
    for place, byte in changes:
        if data:
            data[place % len(data)] = byte
    return bytes(data[:end])


@given(st.sampled_from(SMALL), mutations, st.integers(0, 1000))
def test_a_damaged_file_is_read_within_bounds(file, changes, end):
    read(mutated(file, changes, end))


@given(st.binary(min_size=1, max_size=20), st.sampled_from((32, 64)), st.sampled_from("<>"),
       st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=30), st.integers(4, 9)), max_size=4))
def test_every_id_comes_back(desc, bits, order, others):
    notes = b"".join(note(text, name=name, kind=kind, order=order) for name, text, kind in others)
    assert read(image(notes + note(desc, order=order), bits=bits, order=order)) == desc
