"""What others say of one mapping: maps, map_files, the path, lsof; and what memory holds, read without asking mapsd."""

import os
import shutil
import subprocess

from mapsd.errors import ProcessGone
from mapsd.light import NamedTuple
from mapsd.linux.files import opened
from mapsd.model import Vma
from mapsd.parse import maps

_PATIENCE = 10  # seconds


class Opened(NamedTuple):
    """What a path opened: its inode number, size in bytes and content."""

    inode: int
    size: int
    data: bytes


class Claims(NamedTuple):
    """What is said of the mapping *vma*; a text in place of what was opened or read says why it was not.

    *line* is that of maps; *link* the text of the map_files link, *linked* what it opens; *named* what the path opens
    in the process's root; *lsof* its lines about the path, as fields from TYPE on.
    """

    vma: Vma
    line: bytes
    link: bytes | str
    linked: Opened | str
    named: Opened | str
    memory: bytes | str
    lsof: tuple[tuple[str, ...], ...] | str


def claims(pid: int, path: bytes) -> Claims:
    """Return what is said of the first mapping that maps calls *path*. Raises ProcessGone, OSError, ParseError."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            line = next((line for line in file if line.rstrip(b"\n").endswith(b" " + path)), None)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessGone(pid, seen=True) from error
    if line is None:
        raise ProcessGone(pid, seen=True)
    vma = maps.parse_line(line.rstrip(b"\n"), {})
    link = b"/proc/%d/map_files/%x-%x" % (pid, vma.start, vma.end)
    return Claims(vma, line.rstrip(b"\n"), _text(link), _opened(link), _opened(b"/proc/%d/root%s" % (pid, path)),
                  _memory(pid, vma), lsof(pid, path))


def _text(link: bytes) -> bytes | str:
    try:
        return os.readlink(link)
    except OSError as error:
        return os.strerror(error.errno or 0)


def _opened(path: bytes) -> Opened | str:
    try:
        with opened(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as fd:
            seen = os.fstat(fd)
            return Opened(seen.st_ino, seen.st_size, os.pread(fd, seen.st_size, 0))
    except OSError as error:
        return os.strerror(error.errno or 0)


def _memory(pid: int, vma: Vma) -> bytes | str:
    try:
        with opened(os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)) as fd:
            return os.pread(fd, vma.end - vma.start, vma.start)
    except OSError as error:
        return os.strerror(error.errno or 0)


def lsof(pid: int, path: bytes) -> tuple[tuple[str, ...], ...] | str:
    """Return what lsof says of the mappings of *path*: a row of fields each, from TYPE on, or why it says nothing."""
    program = shutil.which("lsof")
    if program is None:
        return "is not installed"
    command = [program, "-a", "-p", str(pid), "-d", "mem,DEL"]
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False,  # noqa: S603  (a number)
                              stdin=subprocess.DEVNULL, env=environment)
    except subprocess.TimeoutExpired:
        return "did not answer"
    except OSError as error:
        return f"cannot be run ({error.strerror})"
    rows = [line.split() for line in done.stdout.decode("utf-8", "backslashreplace").splitlines()]
    return tuple(tuple(row[3:]) for row in rows if os.fsdecode(path) in row)
