"""Where the bytes of a mapping are to be read: from its backing file, or from the memory of its process."""

from mapsd.light import NamedTuple, Sequence
from mapsd.model import Answer, Backing, FileFacts, Vma
from mapsd.ports import Process

_UNPROVEN = frozenset({"none", "lookup"})
# Reading such a file may act on the machine, and what read(2) gives is not what a mapping holds.
ACTING = frozenset({b"sysfs", b"proc", b"debugfs", b"tracefs", b"securityfs", b"configfs", b"efivarfs", b"devtmpfs"})
# What these mappings have not in memory is read all the same; what a driver does when it is asked is not known.
_FAULTED = frozenset({"memfd", "shm", "vdso"})
# One superblock, several trees of inodes: maps prints the superblock's device, so two files may look alike.
SUBVOLUMES = frozenset({b"btrfs", b"bcachefs"})


class FromFile(NamedTuple):
    """The backing file, which is proven and has a name."""

    backing: Backing
    path: bytes
    proof: str


class FromMemory(NamedTuple):
    """The memory of the process, and why not the backing file; *path* is that of one which cannot be read."""

    reason: str
    path: bytes | None = None


Source = FromFile | FromMemory


class Group(NamedTuple):
    """The mappings that are known to hold one file, and those that look like it and are not known to."""

    same: tuple[Answer, ...]
    left_out: tuple[Answer, ...]


def mapping_at(answers: Sequence[Answer], address: int) -> Answer | None:
    """Return the mapping that holds an address, None where none does."""
    return next((answer for answer in answers if answer.vma.start <= address < answer.vma.end), None)


def source(chosen: Answer) -> Source:
    """Return where the bytes of a mapping are to be read."""
    backing = chosen.backing
    if chosen.kind != "file":
        return FromMemory(f"a mapping of the kind {chosen.kind} has no backing file")
    if backing is None or chosen.proof in _UNPROVEN:
        return FromMemory("the backing file is not proven" + (f": {chosen.reason}" if chosen.reason else ""))
    if backing.fs_type in ACTING:
        return FromMemory("to read a file of this filesystem may act on the machine")
    if backing.fs_type is not None and backing.fs_type.startswith(b"fuse") and backing.fs_type != b"fuseblk":
        # To open such a file may drop its pages, and a server may give others (fuse_finish_open(), fs/fuse/file.c).
        return FromMemory("a server gives the bytes of this filesystem, now perhaps others")
    if backing.path is None:
        return FromMemory("the backing file has no name")
    return FromFile(backing, backing.path, chosen.proof)


def may_fault(chosen: Answer, served: tuple[bytes, ...]) -> bool:
    """Return whether a page that is not in memory can be read without waiting for a server that may never answer.

    *served* are the beginnings of the types of filesystems that have one.
    """
    if chosen.kind != "file":
        return chosen.kind in _FAULTED
    # A file that a server reads may be anywhere: the pages come from the server all the same.
    known = {one.fs_type for one in (chosen.backing, chosen.mount) if one is not None} - {None}
    return bool(known) and not any(fs_type.startswith(served) for fs_type in known if fs_type is not None)


def grouped(chosen: Answer, answers: Sequence[Answer], process: Process) -> Group:
    """Return the mappings that hold what *chosen* holds, in the order of their addresses.

    Before and after a copy-up a file's mappings look alike in maps and hold different files, so only what is proven
    is put together.
    """
    alike = [one for one in answers if one is chosen or (
        one.kind == chosen.kind and chosen.vma.inode and _shown(one.vma) == _shown(chosen.vma))]
    same = tuple(one for one in alike if one is chosen or _hold_one_file(one, chosen, process))
    return Group(same, tuple(one for one in alike if one not in same))


def _shown(vma: Vma) -> tuple[object, ...]:
    return vma.device, vma.inode, vma.name


def _hold_one_file(one: Answer, other: Answer, process: Process) -> bool:
    seen, also = process.mapped(one.vma), process.mapped(other.vma)
    linked = isinstance(seen, FileFacts) and isinstance(also, FileFacts)
    if isinstance(seen, FileFacts) and isinstance(also, FileFacts) and _identity(seen) != _identity(also):
        return False
    if one.kind != "file":
        # On the kernel's own shmem mount nothing is copied up. Its System V segments are numbered by ipc namespace.
        return linked or one.kind == "memfd"
    backing = one.backing
    if backing is None or backing != other.backing or not _UNPROVEN.isdisjoint({one.proof, other.proof}):
        return False
    if backing.inode is None or backing.device is None:
        # An overlay's file has one upper file in its life.
        return linked and backing.layer_role == "upper"
    return linked or backing.fs_type not in SUBVOLUMES


def _identity(facts: FileFacts) -> tuple[object, ...]:
    return facts.st_dev, facts.inode, facts.handle


def steady(read: Sequence[Vma], chosen: Answer, after: Sequence[Answer], address: int, process: Process) -> bool:
    """Return whether every mapping that was read is still there, and still known to hold what *chosen* held.

    A mapping may have grown meanwhile, as a heap does.
    """
    now = mapping_at(after, address)
    if now is None or now.kind != chosen.kind or _contradicts(chosen.backing, now.backing):
        return False
    same = grouped(now, after, process).same
    return all(any(_continues(vma, one.vma) for one in same) for vma in read)


def _contradicts(before: Backing | None, after: Backing | None) -> bool:
    return before is not None and after is not None and (before.device, before.inode) != (after.device, after.inode)


def _continues(before: Vma, after: Vma) -> bool:
    if _shown(before) != _shown(after) or not after.start <= before.start < before.end <= after.end:
        return False
    return not before.inode or before.start - before.offset == after.start - after.offset
