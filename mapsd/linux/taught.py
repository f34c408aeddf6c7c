"""The text of the iterator mapsd/linux/bpf/maps.bpf.c, examined on our own mappings before anybody is shown it."""

import os
from typing import Self

from mapsd.light import Iterator
from mapsd.linux import ownoverlay
from mapsd.linux.bpf import bpf
from mapsd.linux.files import opened

COLUMNS = ("pid", "address", "perms", "offset", "dev", "inode", "backing_dev", "backing_inode", "layer", "layer_path",
           "name", "path")
_HEADER = [b"#pid", *map(str.encode, COLUMNS[1:])]
_OF_MAPS, _BACKING = slice(1, 6), slice(6, 10)


class Examiner:
    """An overlay of our own for the time of the block."""

    def __enter__(self) -> Self:
        """Mount it. Raises OSError where that is not allowed."""
        try:
            self._own = ownoverlay.made()
        except OSError as error:
            raise OSError(error.errno, f"no overlay can be mounted to test it on: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Give its mappings back."""
        ownoverlay.forget(self._own)

    def wrong(self, program: int) -> str:
        """Return what is wrong with the program on this kernel, empty for nothing."""
        files = list(_files())
        with opened(bpf.link_create(program, os.getpid())) as link, opened(bpf.iter_create(link)) as fd:
            lines = [line.split(b"\t") for line in _read(fd).splitlines()]
        if lines[:1] != [_HEADER] or {len(row) for row in lines} != {len(COLUMNS)}:
            return "its lines have another form"
        rows = {row[1]: row for row in lines[1:]}
        if any(fields[0] not in rows or rows[fields[0]][_OF_MAPS] != fields for fields in files):
            return "its first columns are not those of maps"
        return self._misses({int(address.split(b"-")[0], 16): row for address, row in rows.items()})

    def _misses(self, rows: dict[int, list[bytes]]) -> str:
        if not rows.keys() >= set(self._own):
            return "mappings of an overlay of our own are missing"
        before, after, lower, upper = (rows[address] for address in self._own)
        if any(row[_BACKING] != [b"-"] * 4 for row in (lower, upper)):
            return "it takes a file for an overlay's that is on none"
        if before[_BACKING][:2] != lower[4:6] or after[_BACKING][:2] != upper[4:6]:
            return "it names other files than an overlay of our own holds"
        for row, layer in ((before, b"1"), (after, b"0")):
            if row[8] not in {layer, b"?"} or row[9] not in {b"/file", b"?"}:
                return "it names other layers or paths than an overlay of our own has"
        return ""


def _read(fd: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        return file.read()


def _files() -> Iterator[list[bytes]]:
    """Yield the five columns of maps of each of our mappings that has a file, which do not change meanwhile."""
    with open("/proc/self/maps", "rb") as file:
        for line in file:
            fields = line.split(None, 5)
            if fields[5:] and fields[5].startswith(b"/"):
                yield fields[:5]
