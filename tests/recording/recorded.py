"""A recording read by its documented form (docs/recordings.md) alone: nothing of mapsd is imported."""

import json
import re
from typing import NamedTuple


class Mount(NamedTuple):
    """One line of mountinfo, or one of the observer's mounts."""

    id: int
    device: str
    root: str
    mount_point: str
    fs_type: str
    options: str


class Vma(NamedTuple):
    """One line of maps; *spelled* is how questions name it."""

    start: int
    device: str
    inode: int
    name: str
    spelled: list


class Process:
    """What the run `lookup` of one process was told."""

    def __init__(self, lines):
        self.directories, self.answers, run = [], {}, None
        rows = iter(lines)
        for line in rows:
            question, tab, answer = line.partition("\t")
            if question.startswith("run "):
                run = question
            elif question.startswith("directory "):
                self.directories.append(json.loads(answer))
            elif run == "run lookup" and tab:
                self.answers.setdefault(_key(question), []).append(_answer(answer, rows))
        self.mounts = [_mountinfo(line) for line in self.said("mountinfo")]
        self.host = [_mount(one) for one in self.said("mounts")]
        self.root = self.said("link", "root")

    def said(self, question, *asked):
        """Return the last answer to a question, None where it was not asked."""
        return self.answers.get((question, json.dumps(asked)), [None])[-1]

    def file(self, question, *asked):
        """Return the facts of a file, None where the answer is another one or there is none."""
        found = self.said(question, *asked)
        return found.get("file") if isinstance(found, dict) else None

    def settled(self, question, *asked):
        """Return whether a question was answered by a file or by its absence."""
        found = self.said(question, *asked)
        return isinstance(found, dict) and ("file" in found or "absent" in found)

    def vmas(self):
        """Return the mappings of files."""
        return [vma for vma in map(_vma, self.said("maps")) if vma is not None]

    def mount(self, identity):
        """Return a mount of the process's table, else of the observer's."""
        return next((one for one in (*self.mounts, *self.host) if one.id == identity), None)


def processes(text):
    """Return the processes of a recording by their numbers."""
    found = re.finditer(r"^begin process (\d+)\n(.*?)^end process \1 ", text, re.MULTILINE | re.DOTALL)
    return {int(section[1]): Process(section[2].splitlines()) for section in found}


def _key(question):
    name, _, asked = question.partition(" [")
    return name, json.dumps(json.loads("[" + asked))


def _answer(answer, rows):
    kind, _, number = answer.partition(" ")
    if kind == "raised":
        return None
    if kind not in {"text", "list"}:
        return json.loads(answer)
    lines = [next(rows).removeprefix("| ") for _ in range(int(number))]
    return [json.loads(line) for line in lines] if kind == "list" else [_unescaped(line) for line in lines]


def _unescaped(line):
    found = re.sub(rb"\\(\\|x[0-9a-f]{2})", lambda one: b"\\" if one[1] == b"\\" else bytes([int(one[1][1:], 16)]),
                   line.encode())
    return found.decode("utf-8", "surrogateescape")


def _vma(line):
    found = re.fullmatch(r"(\w+)-(\w+) (\S+) (\w+) (\w+):(\w+) (\d+) *(/.*)", line, re.DOTALL)
    if found is None or found[7] == "0":
        return None
    start, end, perms, offset, major, minor, inode, name = found.groups()
    device = f"{int(major, 16)}:{int(minor, 16)}"
    spelled = [f"{int(start, 16):x}-{int(end, 16):x}", perms, f"{int(offset, 16):x}", device, int(inode), name]
    return Vma(int(start, 16), device, int(inode), name, spelled)


def _mountinfo(line):
    head, _, tail = line.partition(" - ")
    fields, (fs_type, _, options) = head.split(" "), tail.split(" ", 2)
    return Mount(int(fields[0]), fields[2], _octal(fields[3]), _octal(fields[4]), fs_type, options)


def _octal(text):
    return re.sub(r"\\(\d{3})", lambda one: chr(int(one[1], 8)), text)


def _mount(one):
    return Mount(one["id"], one["device"], one["root"], one["mount_point"], one["fs_type"], one["options"])
