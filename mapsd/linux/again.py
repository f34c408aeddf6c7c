"""A name that is mapped once more by us, and whether the kernel shows our mapping as the process's.

What vm_file's f_path names is what map_files opens (proc_map_files_get_link(), fs/proc/base.c), also where the kernel
has put the file of a layer in the place of the overlay's. The descriptor of the process's keeps its mount and dentry
as long as ours is looked at, so that their numbers are no others'.
"""

import os

from mapsd.light import Callable, NamedTuple
from mapsd.linux import syscalls
from mapsd.linux.files import facts, opened, unless_exhausted
from mapsd.linux.pageframes import PAGE, open_regular
from mapsd.model import FileFacts
from mapsd.parse.escape import DELETED
from mapsd.ports import ByVma, FileRef, InRoot

_O_PATH = os.O_PATH | os.O_CLOEXEC


class Ours(NamedTuple):
    """What the links of our own descriptor and of our own mapping of a file open."""

    descriptor: FileFacts
    mapping: FileFacts


def again(vma: ByVma, path: InRoot, opener: Callable[[FileRef, int], int]) -> tuple[str, str]:
    """Return "name", "file", "mount", "different" or "silent", and what was seen: see the port Machine."""
    try:
        with opened(opener(vma, _O_PATH)) as theirs, opened(opener(path, _O_PATH)) as found:
            return shared(facts(theirs), of_ours(found))
    except OSError as error:
        unless_exhausted(error)
        return "silent", f"what the path opens cannot be mapped and looked at: {error.strerror}"


def of_ours(found: int) -> Ours:
    """Return what the kernel shows of what we open and map; raises OSError."""
    with opened(open_regular(found)) as fd:
        start = syscalls.mmap_page(fd, 0, PAGE)
        try:
            with opened(os.open(b"/proc/self/map_files/%x-%x" % (start, start + PAGE), _O_PATH)) as ours:
                return Ours(facts(fd), facts(ours))
        finally:
            syscalls.munmap(start, PAGE)


def shared(theirs: FileFacts, ours: Ours) -> tuple[str, str]:
    """Return what a mapping of the process and one of ours have in common; the links of both are held open.

    One text on one mount is one dentry, unless it is unlinked or no text at all (a bare slash). Where a descriptor is
    shown as its mapping is, the filesystem opened the dentry that belongs to the name; else one that belongs to the
    inode, which may be that of another link.
    """
    descriptor, mapping = ours
    if theirs.mount_id != mapping.mount_id:
        return "different", f"it lies on mount {theirs.mount_id}, and a mapping of ours on mount {mapping.mount_id}"
    both = f"on mount {theirs.mount_id}"
    if (theirs.st_dev, theirs.inode) != (mapping.st_dev, mapping.inode):
        return "mount", f"a mapping of ours is another file {both}"
    if theirs.path != mapping.path or theirs.path.endswith(DELETED) or not theirs.path.startswith(b"/"):
        return "mount", f"a mapping of ours is the same file {both} by another name"
    by_name = (descriptor.mount_id, descriptor.path) == (mapping.mount_id, mapping.path) and mapping.path != b"/"
    same = f"both are inode {theirs.inode} of device {theirs.st_dev} {both}, with one text"
    return "name" if by_name else "file", same
