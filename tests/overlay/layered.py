"""Ask as on a kernel that shows the file of a layer in place of an overlay's: before Linux 4.2, and Ubuntu's 5.0.

What vm_file really is, with the overlay's own mount of the layer, is known by BPF since Linux 6.7: a forked child is
shown just that, by the texts and links of the process and of itself. Nothing that such a kernel lacks is asked.
"""

import errno
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from zlib import crc32

from mapsd.linux import again as live
from mapsd.linux import syscalls
from mapsd.linux.bpf.iterator import VmFileIterator
from mapsd.linux.buildid import LiveBuildIds
from mapsd.linux.files import facts, opened
from mapsd.linux.machine import LiveMachine
from mapsd.linux.pageframes import PAGE, open_regular
from mapsd.linux.procfs import ProcFs
from mapsd.linux.vmfiles import LiveVmFiles
from mapsd.model import DeviceId, FileFacts, Refused, Vma
from mapsd.model.held import Held
from mapsd.parse import maps, mountinfo
from mapsd.ports import ByVma
from tests.overlay.child import told
from tests.overlay.older import ALL, LAYERS_SHOWN
from tests.overlay.scenes import Claim, Scene
from tests.schema import answered
from tests.seccomp import forbid

FORMS = ("inside the layer", "bare")
_LACKING = Refused("this kernel lacks it")
_CLONES = 1 << 32  # no mount has such a number


class Kernel:
    """What such a kernel shows of the mappings of overlays' files whose layers lie below directories."""

    def __init__(self, *below: Path, bare: bool) -> None:
        self._bare, self._iterator = bare, VmFileIterator()
        self._numbered: dict[int, list[Path]] = {}
        for path in (path for base in below for path in _files(base)):
            self._numbered.setdefault(path.lstat().st_ino, []).append(path)

    def held(self, pid: int, start: int) -> Held | None:
        """Return what a mapping of an overlay's file holds, None for any other."""
        records = self._iterator.of(pid)
        assert not isinstance(records, Refused), records.reason
        found = records.at(start)
        return found if found is not None and found.layer is not None and found.layer.overlay else None

    def text(self, held: Held) -> bytes:
        """Return the text of vm_file's own path: from the root of the layer's mount."""
        path = b"/" if self._bare else b"/" + held.layer.file.path.strip(b"/")
        return path + b" (deleted)" * held.layer.file.gone

    def file(self, held: Held) -> Path | None:
        """Return where the file of a layer lies, None where it has no name."""
        found = self._numbered.get(held.inode, [])
        same = [path for path in found if _device(path) == held.device] or [
            # The device of a subvolume is no filesystem's: its path in the layer tells.
            path for path in found if held.fs_type == b"btrfs" and os.fsencode(path).endswith(held.layer.file.path)]
        return same[0] if same else None

    def facts(self, held: Held) -> FileFacts:
        """Return what the link of a mapping opens."""
        seen, path = None, self.file(held)
        if path is not None:
            with opened(os.open(path, os.O_PATH)) as fd:
                seen = facts(fd)
        else:
            seen = FileFacts("file", held.device, held.inode, held.nlink, 0, 0, None)
        # One mount for each layer of each overlay's superblock.
        clone = crc32(repr((held.user_device, held.layer.device, held.layer.root_inode)).encode()) + _CLONES
        return seen._replace(mount_id=clone, path=self.text(held))

    def line(self, pid: int, line: bytes) -> bytes:
        """Return a line of maps."""
        vma, = maps.parse(line + b"\n")
        held = self.held(pid, vma.start) if maps.kind_of(vma) == "file" else None
        if held is None:
            return line
        text = self.text(held).replace(b"\n", rb"\012")
        return b"%08x-%08x %s %08x %02x:%02x %d %s" % (vma.start, vma.end, vma.perms.encode(), vma.offset, *held.device,
                                                       held.inode, text)


def _device(path: Path) -> DeviceId:
    number = path.lstat().st_dev
    return DeviceId(os.major(number), os.minor(number))


def _files(base: Path) -> Iterator[Path]:
    overlays = {mount.mount_point for mount in mountinfo.parse(Path("/proc/self/mountinfo").read_bytes())
                if mount.fs_type == b"overlay"}
    for directory, inner, names in os.walk(os.fsencode(base)):
        inner[:] = [name for name in inner if os.path.join(directory, name) not in overlays]
        yield from (Path(os.fsdecode(directory), os.fsdecode(name)) for name in names)


def pretend(*below: Path, bare: bool) -> None:
    """Be such a kernel from now on."""
    forbid(*LAYERS_SHOWN)
    kernel = Kernel(*below, bare=bare)
    text, link, mapped, reached = ProcFs.reread, ProcFs.link, ProcFs.mapped, LiveMachine.open

    def reread(self: ProcFs, fd: int) -> bytes:
        return b"".join(kernel.line(self.pid, line) + b"\n" for line in text(self, fd).splitlines())

    def of_process(self: ProcFs, vma: Vma, otherwise: Callable, shown: Callable) -> object:
        held = kernel.held(self.pid, vma.start)
        return otherwise(self, vma) if held is None else shown(held)

    def opens(self: LiveMachine, ref: object, flags: int) -> int:
        held = kernel.held(self.process.pid, ref.start) if isinstance(ref, ByVma) else None
        if held is None:
            return reached(self, ref, flags)
        path = kernel.file(held)
        if path is None:
            raise OSError(errno.ENOENT, "the file of the layer has no name")
        return os.open(path, flags)

    def again(vma: ByVma, path: object, opener: Callable) -> tuple[str, str]:
        try:
            with opened(opener(path, os.O_PATH)) as found, opened(open_regular(found)) as fd:
                start, descriptor = syscalls.mmap_page(fd, 0, PAGE), facts(fd)
        except OSError as error:
            return "silent", str(error)
        ours, theirs = kernel.held(os.getpid(), start), kernel.held(opener.__self__.process.pid, vma.start)
        syscalls.munmap(start, PAGE)
        if ours is None or theirs is None:
            return "different", "one of the two is on no overlay"
        return live.shared(kernel.facts(theirs), live.Ours(descriptor, kernel.facts(ours)))

    ProcFs.reread = reread
    ProcFs.link = lambda self, vma: of_process(self, vma, link, kernel.text)
    ProcFs.mapped = lambda self, vma: of_process(self, vma, mapped, kernel.facts)
    LiveMachine.open = opens
    LiveVmFiles.of = LiveVmFiles.identity = lambda *_: _LACKING
    LiveBuildIds.mapped = lambda *_: _LACKING
    live.again = again


@cache
def lacking() -> str:
    """Return why such a kernel cannot be shown here, empty where it can."""
    if os.environ.get("LAYERS_SHOWN") == "no":
        return "LAYERS_SHOWN=no"
    iterator = VmFileIterator()
    try:
        found = iterator.of(os.getpid())
    finally:
        iterator.close()
    return found.reason if isinstance(found, Refused) else ""


def forms(scene: str) -> tuple[str, ...]:
    """Return in which forms a scene is asked about: every second in one, MAPSD_LACKING=all: each in both.

    In none without BPF.
    """
    if lacking():
        return ()
    place = crc32(scene.encode()) % (2 * len(FORMS))
    return FORMS if ALL else FORMS[place:place + 1]


def named(form: str) -> str:
    """Return what an observer on such a kernel is called."""
    return f"files of layers shown, {form}, outside"


def is_named(observer: str, scene: Scene, claim: Claim, found: dict) -> bool:
    """Return whether an answer gives the name that the file has on another mount of the overlay.

    Such a kernel keeps no mount, so any will do; which file that is the real kernel tells.
    """
    if observer not in map(named, FORMS) or claim.state in {"deleted", "replaced"} or (
            (found["state"], found["user_path"]) == (claim.state, claim.path)):
        return False
    if claim.path is not None and os.path.basename(claim.path) != os.path.basename(found["user_path"] or ""):
        return False
    path = f"{scene.target.proc()}/root{found['user_path']}"
    if found["user_path"] is None or not os.path.exists(path):
        return False
    one, other = os.stat(path), os.stat(f"/proc/{scene.target.pid}/map_files/{_range(found)}")
    if (one.st_dev, one.st_ino) != (other.st_dev, other.st_ino):
        return False
    if claim.layer.role != "upper" and hasattr(scene, "top") and scene.real(scene.top, claim.below).is_file():
        return found["state"] == "copied-up"
    with open(path, "rb") as file:
        return found["state"] == "current" and os.pread(file.fileno(), PAGE, claim.page * PAGE) == claim.held


def _range(found: dict) -> str:
    return "-".join(f"{int(found[end], 16):x}" for end in ("start", "end"))


def asked_on(pid: int, form: str, *below: Path) -> dict[int, dict]:
    """Return the answer of a child that such a kernel is shown to, by start address; the layers lie *below*."""
    found = told(lambda: pretend(*below, bare=form == "bare") or answered(pid))
    return {int(mapping["start"], 16): mapping for mapping in found["mappings"]}
