"""What the kernel printed about a mapping, and how far that may be believed."""

from mapsd.light import Iterator
from mapsd.model import Answer, ProcessAnswer
from mapsd.parse.escape import DELETED
from mapsd.resolve.overlays import OVERLAY
from mapsd.resolve.vma import STACKED
from mapsd.views.explanation.words import Words, say, shown
from mapsd.views.mapstext import line


def printed(answer: ProcessAnswer, mapping: Answer) -> Iterator[Words]:
    """Yield the line of maps and what it claims."""
    vma = mapping.vma
    yield say("/proc/{pid}/maps has this line:", pid=str(answer.process.pid))
    yield (shown(line(vma)[:-1].rstrip(b" ")),)
    if mapping.kind == "file":
        yield say("It claims device {device} (in decimal, as all devices below), inode {inode}, and a path.",
                  device=str(vma.device), inode=str(vma.inode))


def is_overlay(mapping: Answer) -> bool:
    """Return whether a mapping's file is known to be an overlay's."""
    trail, mount = mapping.trail, mapping.mount
    if is_served(mapping):
        return False
    return bool(trail.layers or trail.candidates) or (mount is not None and mount.fs_type == OVERLAY)


def is_served(mapping: Answer) -> bool:
    """Return whether a mapping's file is on a filesystem whose files are other files: FUSE and the like."""
    fs_type = mapping.mount.fs_type if mapping.mount is not None else b""
    return fs_type.startswith(STACKED) and fs_type != b"fuseblk"


def doubts(answer: ProcessAnswer, mapping: Answer) -> Iterator[Words]:
    """Yield why the line may not be believed here, or why it may."""
    if is_overlay(mapping):
        yield from _overlay(mapping)
    elif mapping.trail.source == "ours":
        yield say("The file is on a filesystem that hands a mapping on to the file below it: the line names that one, "
                  "by a path that is not the process's.")
    elif is_served(mapping):
        yield say("The file is on a filesystem that is served from other files. Device and inode are those of that "
                  "filesystem, and of the files that the bytes come from only its server knows: a process.")
    elif mapping.proof == "kernel-inode" and mapping.backing is not None and not mapping.backing.overlaid:
        yield say("The file is on no overlay, so this device and inode are the very file's whose bytes are mapped. "
                  "The path is only what the kernel calls the file: whether it still opens this one is to be checked.")
    else:
        yield say("On which filesystem the file is was not established. If it is an overlay, device and inode may be "
                  "the overlay's own, and then they do not say which file holds the bytes.")
    yield from _text(answer, mapping)


def _overlay(mapping: Answer) -> Iterator[Words]:
    yield say("The file is on an overlay, which shows the files of several directories, its layers, as one tree. The "
              "bytes are in a file of one layer, and that may change: before a file of a lower layer is changed, it is "
              "copied into the upper layer (copy-up). The path opens the copy from then on; a mapping that was made "
              "before goes on holding the lower file.")
    if mapping.trail.nested:
        yield say("The overlay that this line names is itself a layer of another one. Some kernels (Linux 6.7 to "
                  "6.15 and some stable ones of 2026) print the inner overlay's path and device, not those of the "
                  "overlay that the process uses.")
    elif mapping.proof == "kernel-inode":
        ours = mapping.trail.source == "ours"
        path = "not the process's" if ours else "the overlay's, and may open another file by now"
        yield say("This kernel prints the device and inode of the layer's file (Linux up to 6.7): they may be "
                  f"believed. The path is {path}.")
        return
    elif mapping.mount is not None and mapping.mount.device != mapping.vma.device:
        yield say("The line names another device than this overlay's: that of a layer (Linux up to 6.7), or of an "
                  "overlay that is itself a layer.")
        return
    yield say("A copy-up changes nothing in this line: device and inode are the overlay's (since Linux 6.8), and both "
              "stay. The link in map_files is no help either: it opens what the overlay shows now, not what is mapped.")


def _text(answer: ProcessAnswer, mapping: Answer) -> Iterator[Words]:
    name, root = mapping.vma.name, answer.process.root
    if name.endswith(DELETED):
        yield say('The name ends in " (deleted)". The kernel adds that to a name that is gone; a file that is really '
                  "called so looks the same.")
    if rb"\012" in name:
        yield say(r"The kernel prints a newline in a name as \012; a name with a backslash and these digits looks the "
                  "same.")
    if root not in {None, b"/"}:
        yield say("The path is spelled from mapsd's root. The root of the process is {root}", root=shown(root or b""))
