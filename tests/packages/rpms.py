"""Real roots of rpm: packages that are built here, installed by rpm itself; and its other databases, written here."""

import os
import shutil
import sqlite3
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.conftest import missing

DATABASE = "var/lib/rpm/rpmdb.sqlite"


class Root:
    """A root with rpm's database in it."""

    def __init__(self, where: Path) -> None:
        self.path, self._built = where / "root", where / "built"
        self.path.mkdir(parents=True)
        self._built.mkdir()

    def rpm(self, *words: str) -> str:
        done = subprocess.run(["rpm", "--root", self.path, "--dbpath", "/var/lib/rpm", *words], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def build(self, name: str, files: dict[str, str], fields: str = "", version: str = "1.0-1",
              special: str = "") -> Path:
        """Return a package; *special* has lines of `%files` beside the files."""
        number, _, release = version.partition("-")
        source = self._built / name
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        for path, text in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text)
        listed = "\n".join(f"/{path}" for path in files if f"/{path}" not in special)
        spec = self._built / f"{name}.spec"
        spec.write_text(f"Name: {name}\nVersion: {number}\nRelease: {release}\nSummary: a\nLicense: MIT\n"
                        f"BuildArch: noarch\n{fields}%description\na\n%install\nmkdir -p %{{buildroot}}\n"
                        f"cp -r {source}/. %{{buildroot}}\n%files\n{listed}\n{special}\n")
        defined = (f"_topdir {self._built}/top", f"_rpmdir {self._built}", "__os_install_post %{nil}",
                   "_binary_payload w0.ufdio", "debug_package %{nil}", "_use_internal_dependency_generator 0",
                   "__find_requires %{nil}", "__find_provides %{nil}")
        subprocess.run(["rpmbuild", "-bb", *(word for one in defined for word in ("--define", one)), spec], check=True,
                       capture_output=True)
        return self._built / f"noarch/{name}-{version}.noarch.rpm"

    def install(self, name: str, files: dict[str, str], fields: str = "", version: str = "1.0-1", special: str = "",
                how: tuple[str, ...] = ("--install",)) -> None:
        self.rpm(*how, "--nosignature", str(self.build(name, files, fields, version, special)))

    def owners(self, path: str) -> set[str]:
        """Return whose a name is for rpm, with versions."""
        form = "%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}"
        return set(self.rpm("--query", "--queryformat", f"%{{NAME}} {form}\\n", "--file", path).splitlines())

    def blobs(self) -> list[bytes]:
        """Return the headers, as SQLite itself reads them."""
        with sqlite3.connect(self.path / DATABASE) as database:
            found = [blob for _, blob in database.execute("SELECT hnum, blob FROM Packages ORDER BY hnum")]
        database.close()
        return found


@pytest.fixture
def fedora(tmp_path: Path) -> Root:
    for program in ("rpm", "rpmbuild"):
        if shutil.which(program) is None:
            missing("packages", f"{program} is not installed")
    if os.geteuid() != 0:
        missing("root", "only root installs packages")
    return Root(tmp_path)


def ndb(blobs: list[bytes]) -> bytes:
    """Return a Packages.db as rpm's lib/backend/ndb/rpmpkg.c writes it: the second package was written first."""
    slots, body, offset = [], b"", 256
    for number, blob in reversed(list(enumerate(blobs, 1))):
        count = (16 + len(blob) + 12 + 15) // 16
        head = struct.pack("<4s3I", b"BlbS", number, 1700000000, len(blob)) + blob
        head = head.ljust(count * 16 - 12, b"\0")
        body += head + struct.pack("<II4s", zlib.adler32(head), len(blob), b"BlbE")
        slots.append(struct.pack("<4s3I", b"Slot", number, offset, count))
        offset += count
    slots.insert(1, struct.pack("<4s3I", b"Slot", 0, 0, 0))
    slots += [struct.pack("<4s3I", b"Slot", 0, 0, 0)] * (254 - len(slots))
    return struct.pack("<4s4I12x", b"RpmP", 0, 7, 1, len(blobs) + 1) + b"".join(slots) + body


def bdb(pairs: list[tuple[bytes, bytes]], size: int = 512, order: str = "<") -> bytes:
    """Return a hash database of Berkeley DB (dbinc/db_page.h): a page of pairs, and chains for the long values."""
    def page(number: int, following: int, entries: int, used: int, kind: int, rest: bytes) -> bytes:
        return struct.pack(f"{order}8xIIIHHBB", number, 0, following, entries, used, 0, kind) + rest
    chains: list[bytes] = []
    items: list[bytes] = []
    room = size - 26
    for key, value in pairs:
        items.append(b"\1" + key)
        if len(value) < 40:
            items.append(b"\1" + value)
            continue
        items.append(struct.pack(f"{order}B3xII", 3, 2 + len(chains), len(value)))
        for at in range(0, len(value), room):
            number, part = 2 + len(chains), value[at:at + room]
            last = at + room >= len(value)
            chains.append(page(number, 0 if last else number + 1, 1, len(part), 7, part.ljust(room, b"\0")))
    end, places = size, []
    for item in items:
        end -= len(item)
        places.append(end)
    inside = b"".join(struct.pack(f"{order}H", place) for place in places)
    pairs_page = page(1, 0, len(items), end, 13, inside.ljust(end - 26, b"\0") + b"".join(reversed(items)))
    meta = struct.pack(f"{order}8xIIIIBBBxII", 0, 0x061561, 9, size, 0, 8, 0, 0, len(chains) + 1).ljust(size, b"\0")
    return meta + pairs_page + b"".join(chains)


def header(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """Return a header (rpm's docs/manual/format.md) with entries of tag, type, count and data."""
    index, data = b"", b""
    for tag, kind, count, value in entries:
        data += b"\0" * (-len(data) % {3: 2, 4: 4, 5: 8}.get(kind, 1))
        index += struct.pack(">IIII", tag, kind, len(data), count)
        data += value
    return struct.pack(">II", len(entries), len(data)) + index + data


def strings(*values: str) -> bytes:
    return b"".join(value.encode() + b"\0" for value in values)


def named(name: str, files: dict[str, str], version: str = "1.0") -> bytes:
    """Return a header of a package with files that have digests of 32 bytes."""
    directories = {path.rpartition("/")[0] + "/": 0 for path in sorted(files)}
    directories = {directory: place for place, directory in enumerate(directories)}
    many = len(files)
    return header([
        (1000, 6, 1, strings(name)), (1001, 6, 1, strings(version)), (1002, 6, 1, strings("1")),
        (1022, 6, 1, strings("x86_64")), (1044, 6, 1, strings(f"{name}-src-{version}-1.src.rpm")),
        (1028, 4, many, struct.pack(f">{many}I", *map(len, files.values()))),
        (1035, 8, many, strings(*files.values())), (5011, 4, 1, struct.pack(">I", 8)),
        (1116, 4, many, struct.pack(f">{many}I", *(directories[path.rpartition("/")[0] + "/"] for path in files))),
        (1117, 8, many, strings(*(path.rpartition("/")[2] for path in files))),
        (1118, 8, len(directories), strings(*directories))])
