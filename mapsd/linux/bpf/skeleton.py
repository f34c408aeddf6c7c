"""A light skeleton: a loader program that the kernel itself runs to make the maps and programs it carries.

The loader is what `bpftool gen skeleton -L` makes (libbpf's gen_loader.c); it finds every kernel structure's member
by the kernel's own BTF (Linux 5.17), so there is neither compiler nor libbpf here. bin/build-bpf writes the files.
"""

import os
import struct

from mapsd.light import NamedTuple
from mapsd.linux.bpf import bpf

_MAGIC, _HEADER, _MAP_DESC, _PROG_DESC = b"mapsd-skeleton 1 ", 24, 16, 4  # struct bpf_loader_ctx and its tail


class Skeleton(NamedTuple):
    """What a file holds: how many maps and programs it makes, the loader's data and its instructions."""

    maps: int
    programs: int
    data: bytes
    insns: bytes


def read(name: str) -> Skeleton:
    """Return the skeleton that lies beside this file, also inside an archive."""
    path = os.path.join(os.path.dirname(__file__), f"{name}.skeleton")
    # pkgutil says the same, and imports typing for it.
    whole: bytes = __spec__.loader.get_data(path)  # type: ignore[union-attr]  # a loader there is
    line, _, rest = whole.partition(b"\n")
    maps, programs, size, end = map(int, line.removeprefix(_MAGIC).split())
    return Skeleton(maps, programs, rest[:size], rest[size:size + end])


def load(skeleton: Skeleton, setting: int | None = None) -> int:
    """Return a descriptor of the skeleton's (only) program, *setting*, 32 bits, in its first map. Raises OSError."""
    data_fd = bpf.map_of(skeleton.data)
    try:
        loader = bpf.prog_load_syscall(skeleton.insns, data_fd)
        try:
            return _run(loader, skeleton, setting)
        finally:
            os.close(loader)
    finally:
        os.close(data_fd)


def _run(loader: int, skeleton: Skeleton, setting: int | None) -> int:
    size = _HEADER + skeleton.maps * _MAP_DESC + skeleton.programs * _PROG_DESC
    context = bpf.prog_run(loader, struct.pack("=I", size).ljust(size, b"\0"))
    maps = [fd for fd, in struct.iter_unpack("=i12x", context[_HEADER:size - skeleton.programs * _PROG_DESC])]
    program: int = struct.unpack("=i", context[size - _PROG_DESC:size])[0]
    try:
        if setting is not None:
            bpf.map_update_elem(maps[0], struct.pack("=I", setting))
    except OSError:
        os.close(program)
        raise
    finally:
        for fd in maps:
            os.close(fd)
    return program
