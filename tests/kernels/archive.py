"""Archives that the kernel unpacks before it starts a program: newc cpio, as many as are put one behind the other.

See Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

_TRAILER = "TRAILER!!!"
_DIRECTORY, _FILE, _LINK = 0o40755, 0o100644, 0o120777


class Archive:
    """One archive that is written; it appears under its name when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._new = path, path.with_name(f".{path.name}.{os.getpid()}")
        self._file = self._new.open("wb")
        self._seen: set[Path] = {Path("/")}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._entry(_TRAILER, 0, b"")
        if kind is None:
            self._new.replace(self._path)
        else:
            self._new.unlink()

    def write(self, name: str | Path, content: bytes, *, program: bool = False) -> None:
        """Add a file, and the directories that it is in."""
        self._add(Path(name), _FILE | (0o111 if program else 0), content)

    def link(self, name: str | Path, target: str | Path) -> None:
        """Add a symbolic link."""
        self._add(Path(name), _LINK, os.fsencode(target))

    def directory(self, name: str | Path) -> None:
        """Add an empty directory."""
        self._add(Path(name), _DIRECTORY, b"")

    def copy(self, path: Path, name: str | Path | None = None) -> None:
        """Add what a file of this machine holds, by default under the same name."""
        self.write(path if name is None else name, path.read_bytes(), program=os.access(path, os.X_OK))

    def program(self, path: Path) -> None:
        """Add a program of this machine, and the libraries that it is linked with."""
        self.copy(path)
        for library in libraries(path):
            self.copy(library)

    def tree(self, top: Path, name: Path, paths: Iterable[Path]) -> None:
        """Add files that are below *top*, below *name*."""
        for path in sorted(paths):
            self.copy(path, name / path.relative_to(top))

    def _add(self, name: Path, mode: int, content: bytes) -> None:
        if name in self._seen:
            return
        self._seen.add(name)
        for above in reversed(name.parents):
            self._add(above, _DIRECTORY, b"")
        self._entry(str(name).lstrip("/"), mode, content)

    def _entry(self, name: str, mode: int, content: bytes) -> None:
        path = os.fsencode(name) + b"\0"
        # inode, mode, uid, gid, links, time, size, four device numbers, length of the name, checksum
        fields = (len(self._seen), mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
        self._padded(b"070701" + b"".join(b"%08X" % field for field in fields) + path)
        self._padded(content)

    def _padded(self, part: bytes) -> None:
        self._file.write(part + bytes(-len(part) % 4))


def libraries(path: Path) -> list[Path]:
    """Return the shared libraries that a program or library needs, also indirectly. See ldd(1)."""
    told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    words = [line.split("(")[0].split()[-1] for line in told.splitlines() if "/" in line]
    return [Path(word) for word in words]
