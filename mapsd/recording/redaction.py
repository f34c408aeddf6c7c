r"""Pseudonyms: other names in a recording, one for each name, and all that the rules go by as it was.

A path is taken apart at slashes, and at what the kernel writes into names or may have written: ` (deleted)`, a newline,
a backslash, `\012`. Each part becomes `nNUMBER`. So whatever the rules make of texts (a mark cut off, an escape undone,
two paths joined, one found below the other) they make of the pseudonyms as well. What the rules themselves spell
stays: the names in STORES, `work`, `index`, the root of /proc/PID, and the numbers of the recorded processes.
"""

import re
from itertools import pairwise

from mapsd.light import Iterator, Sequence
from mapsd.parse import overlay_options
from mapsd.parse.escape import unescape
from mapsd.recording.plain import status
from mapsd.resolve.overlays import OVERLAY, STORES

_PARTS = re.compile(rb"(/| \(deleted\)|\\012|\n|\\)")
_KEPT = frozenset({
    b"", b".", b"..", b"proc", b"self", b"thread-self", b"task", b"root", b"fd", b"exe", b"cwd", b"dev", b"zero",
    b"work", b"index", b"deleted", b"(unreachable)", b"secretmem", b"[aio]", b"memfd:",
    *(part for store in STORES for part in store.split(b"/"))})
_INDEXED = re.compile(rb"00fb[0-9a-f]{20,}")  # an entry of the index is called by the handle of its file
_NO_PATH = re.compile(rb"\[(?:heap|stack|stack:\d+|vdso|vvar\w*|vsyscall|uprobes)\]|(?:pipe|socket|mnt):\[\d+\]|"
                      rb"anon_inode:[][\w:.-]+")
_BEFORE = re.compile(rb"/memfd:|/SYSV[0-9a-f]{8}|\[anon_shmem:|\[anon:?")
_LINE = re.compile(rb"((?:\S+ ){4}\S+ +)(.*)", re.DOTALL)
_IN_WORDS = re.compile(r"(?<!\S)/\S*|b'[^']*'|b\"[^\"]*\"")
_FLAGS = re.compile(rb"[a-z_]+(?:=(?:on|off|auto|follow|nofollow|null|strict|relaxed|require|verify|volatile))?")
_LEFT_OUT = "the reason may have names and is left out"
_LENGTHS = (16, 20, 28, 32, 48, 64)  # of digests, in bytes; some records have the first 20 bytes of one of 32
_LAYERS = (b"lowerdir", b"lowerdir+", b"datadir+", b"upperdir", b"workdir")


class Pseudonyms:
    """The port Names that gives each name another one."""

    def __init__(self, pids: Sequence[int] = ()) -> None:
        """Keep the numbers of the processes that are recorded."""
        self._kept = _KEPT | {b"%d" % pid for pid in pids}
        self.known: dict[bytes, bytes] = {}
        self._ids: dict[bytes, bytes] = {b"0": b"0"}
        self._digests: dict[bytes, int] = {}

    def path(self, text: bytes) -> bytes:
        """Return a path, the text of a link or a name as maps shows it, of pseudonyms."""
        if _NO_PATH.fullmatch(text):
            return text
        begin = _BEFORE.match(text)
        head = begin.group() if begin else b""
        tail = b"]" if head.startswith(b"[") and text.endswith(b"]") else b""
        parts = _PARTS.split(text[len(head):len(text) - len(tail)])
        made = [part if number % 2 else self._part(part) for number, part in enumerate(parts)]
        return head + b"".join(made) + tail

    def _part(self, part: bytes) -> bytes:
        if part in self._kept or _INDEXED.fullmatch(part):
            return part
        return self.known.setdefault(part, b"n%d" % (len(self.known) + 1))

    def words(self, text: str) -> str:
        """Return a sentence with pseudonyms for the paths in it."""
        return _IN_WORDS.sub(self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        word = found.group()
        return "…" if word.startswith("b") else self.path(word.encode("utf-8", "surrogateescape")).decode()

    def doubt(self, text: str) -> str:
        """Return no sentence in which a name may be any word."""
        return _LEFT_OUT if text else text

    def digest(self, value: bytes) -> bytes:
        """Return another digest: those that begin alike still do, where one of them was cut off."""
        if len(value) not in _LENGTHS:
            return b""
        ends = [0, *(length for length in _LENGTHS if length <= len(value))]
        return b"".join([self._digests.setdefault(value[:end], len(self._digests) + 1).to_bytes(end - begin, "big")
                         for begin, end in pairwise(ends)])

    def options(self, fs_type: bytes, text: bytes) -> bytes:
        """Return the options of an overlay of pseudonyms; of another filesystem only whether it is read-only."""
        options = text.split(b",")
        if fs_type != OVERLAY:
            return options[0] if options[0] in {b"rw", b"ro"} else b"rw"
        return b",".join(self._option(option) for option in options if _is_known(option))

    def _option(self, option: bytes) -> bytes:
        key, mark, value = option.partition(b"=")
        if key not in _LAYERS:
            return option
        return key + mark + self._layers(key, value)

    def _layers(self, key: bytes, value: bytes) -> bytes:
        if key in {b"lowerdir+", b"datadir+"}:
            return _mangled(self.path(unescape(value)))
        if key == b"lowerdir":
            lower, data = overlay_options.split_layers(value)
            sides = [b":".join(self._twice(name) for name in lower), *(self._twice(name) for name in data)]
            return b"::".join(sides)
        options = overlay_options.parse(key + b"=" + value)
        return self._twice((options.upper if key == b"upperdir" else options.work) or b"")

    def _twice(self, name: bytes) -> bytes:
        """Return the name of a layer as the mount's author escaped it and as mountinfo did after him."""
        return _mangled(self.path(name).replace(b"\\", b"\\\\"))

    def text(self, name: str, text: bytes) -> bytes:
        """Return a text of /proc with pseudonyms."""
        lines = {"maps": self._maps, "mountinfo": self._mountinfo, "status": self._status}[name]
        return b"".join([line + b"\n" for line in lines(text)])

    def _maps(self, text: bytes) -> Iterator[bytes]:
        for line in text.split(b"\n")[:-1]:
            found = _LINE.fullmatch(line)
            yield found.group(1) + self.path(found.group(2)) if found else line

    def _mountinfo(self, text: bytes) -> Iterator[bytes]:
        for line in text.split(b"\n")[:-1]:
            head, _, tail = line.partition(b" - ")
            numbers, fields, rest = head.split(b" ")[:3], head.split(b" ")[3:5], head.split(b" ")[5:]
            fs_type, source, options = tail.split(b" ", 2)
            named = [_mangled(self.path(unescape(field))) for field in (*fields, source)]
            yield b" ".join([*numbers, *named[:2], *rest, b"-", fs_type, named[2], self.options(fs_type, options)])

    def _status(self, text: bytes) -> Iterator[bytes]:
        for line in status(text).split(b"\n")[:-1]:
            name, mark, value = line.partition(b"\t")
            if name == b"Name:":
                yield name + mark + self.path(value)
            elif name in {b"Uid:", b"Gid:"}:
                yield name + mark + b"\t".join(self._id(one) for one in value.split(b"\t"))
            else:
                yield line

    def _id(self, number: bytes) -> bytes:
        return self._ids.setdefault(number, b"%d" % (1000 + len(self._ids)))


def _is_known(option: bytes) -> bool:
    return option.partition(b"=")[0] in _LAYERS or _FLAGS.fullmatch(option) is not None


def _mangled(path: bytes) -> bytes:
    """Return a path as mountinfo escapes it (mangle_path(), fs/seq_file.c)."""
    return path.replace(b"\\", rb"\134").replace(b" ", rb"\040").replace(b"\n", rb"\012")
