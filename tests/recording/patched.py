"""Recordings of kernels that are not to be had any more, as they were reported: patched.py NAME > FILE.

Ubuntu's 5.0.0-27 showed every file of an overlay as `/` with the layer's device and inode (moby/moby#39875), and an
unlinked one as `/ (deleted)` (dotnet/core#4053). Below shiftfs, Ubuntu's 5.4 and others showed the path that the
overlay's file has on the host, with the overlay's device (gitpod-io/gitpod#5090, nestybox/sysbox#636) or the layer's
(toby63/shiftfs-dkms#21). aufs maps a file of a branch: its patch of /proc hides that, without it the branch's path is
shown (what CRIU undoes by its table of branches). Before Linux 4.2 an overlay's file was shown by its path inside the
layer (4bacc9c9234c "overlayfs: Make f_path always point to the overlay and f_inode to the underlay"), which perf and
BPF programs print since 6.7; one of a nested overlay by that inside the bottom layer.

What map_files opens is the file of the same struct path that the text is made of (proc_map_files_get_link(),
fs/proc/base.c), so a file that is mapped once more, by its name in the container, is shown in the same way: an overlay
has one mount of its own for each layer (CRIU met such a number on 5.0.0-36: checkpoint-restore/criu#860). A copy names
the file that it was made of since Linux 4.12 (the attribute origin). The scene is one container: a program, a library,
a file that was written to after it was mapped, one made there, and one that was unlinked.
"""

import json
import os
import sys
from typing import NamedTuple

from mapsd.linux.again import Ours, shared
from mapsd.model import FileFacts, Handle, Vma
from mapsd.parse import mountinfo
from mapsd.recording import form
from mapsd.recording.transcript import spelled
from mapsd.resolve.mounts import MountTable
from tests.recording import kernellab

STORE = "/var/lib/docker/overlay2/"
LOW, UP, MERGED = f"{STORE}low/diff", f"{STORE}up/diff", f"{STORE}up/merged"
ROOTFS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/one/rootfs"
BRANCH = "/var/lib/docker/aufs/diff/"
DISK, OVERLAY, SHIFTED, AUFS, INNER = "fc:01", "00:30", "00:31", "00:32", "00:33"
HOST, CLONE, TOP, OVERLAID = 20, 777, 500, 40  # ids of mounts: the host's root, a layer's clone, the container's root


class File(NamedTuple):
    """One mapped file: where it lies, what became of it, and the number of its upper copy."""

    path: str
    layer: str
    inode: int
    state: str = "current"
    copy: int = 0


FILES = (File("bin/cat", "low", 665673), File("lib/libc-2.27.so", "low", 666073),
         File("data/written", "low", 666100, "copied-up", 700001), File("data/made", "up", 700002),
         File("data/gone", "low", 666101, "deleted"))


class Kernel(NamedTuple):
    """What one kernel shows of a file: text, device, what map_files opens, and on which mount."""

    release: str
    root: tuple[str, str, str]  # device, type and options of the container's root
    text: str  # {path}, {layer} and {diff} are the file's
    device: str
    opens: str  # "layer", "overlay" or "root"
    mount: int
    names_origins: bool = False
    hands_on_files: bool = False  # what open(2) gives is the file of the layer (before Linux 4.2)


_OPTIONS = f"rw,lowerdir={LOW},upperdir={UP},workdir={STORE}up/work"
_OVERLAID, _SHIFTED = (OVERLAY, "overlay", _OPTIONS), (SHIFTED, "shiftfs", "rw,passthrough=3")
_AUFS = (AUFS, "aufs", "rw,si=7f3b,dio,dirperm1")
KERNELS = {
    "bare": Kernel("5.0.0-27-generic", _OVERLAID, "/", DISK, "layer", CLONE, names_origins=True),
    "inside-layer": Kernel("4.1.39", _OVERLAID, "/{path}", DISK, "layer", CLONE, hands_on_files=True),
    "shiftfs": Kernel("5.4.0-1051-gke", _SHIFTED, ROOTFS + "/{path}", OVERLAY, "overlay", OVERLAID),
    "shiftfs-backing": Kernel("5.16.20", _SHIFTED, ROOTFS + "/{path}", DISK, "overlay", OVERLAID),
    "aufs-branch": Kernel("3.16.0-4-amd64", _AUFS, BRANCH + "{layer}/{path}", DISK, "layer", HOST),
    "aufs": Kernel("4.4.0-21-generic", _AUFS, "/{path}", AUFS, "root", TOP),
    "nested": Kernel("4.1.39", (OVERLAY, "overlay", _OPTIONS.replace(LOW, f"{STORE}inner/merged")), "/{path}", DISK,
                     "layer", CLONE, hands_on_files=True),
}


class Report:
    """The port that tests.recording.kernellab asks: a dump of one kernel, made of a report."""

    booted = 1_567_000_000 * 10**9  # the layer was unpacked before, what is in the upper one was written later

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        device, fs_type, options = kernel.root
        number = ":".join(str(int(part, 16)) for part in device.split(":"))
        host = [f"{HOST} 1 252:1 / / rw - ext4 /dev/vda1 rw",
                f"{OVERLAID} {HOST} 0:48 / {ROOTFS} rw - overlay overlay {_OPTIONS}"]
        if "inner" in options:
            host.append(f"41 {HOST} 0:51 / {STORE}inner/merged rw - overlay overlay "
                        f"rw,lowerdir={LOW},upperdir={STORE}inner/diff,workdir={STORE}inner/work")
        self.mountinfo = f"{TOP} 499 {number} / / rw - {fs_type} none {options}\n".encode()
        self.host = mountinfo.parse("".join(line + "\n" for line in host).encode())
        self.table = MountTable(mountinfo.parse(self.mountinfo))
        self.links, self.root = {"root": b"/", "exe": b"/bin/cat"}, b"/"
        self.layers = {"low": LOW.encode(), "up": UP.encode()}
        self.facts = {"pid": 4242, "combo": fs_type, "root_dev": device, "merged": MERGED}
        self.maps = "".join(self._line(number, file) for number, file in enumerate(FILES)).encode()

    def _line(self, number: int, file: File) -> str:
        start = 0x400000 + number * 0x2000
        inode = self._opened(file)[1] if self._kernel.device in {OVERLAY, AUFS} else file.inode
        return (f"{start:08x}-{start + 0x1000:08x} r--p 00000000 {self._kernel.device} {inode} "
                f"                  {self._text(file)}\n")

    def _text(self, file: File) -> str:
        text = self._kernel.text.format(path=file.path, layer=file.layer)
        return text + (" (deleted)" if self._is_marked(file) else "")

    def _is_marked(self, file: File) -> bool:
        """Return whether the kernel says that a file is deleted: in its layer a lower one is not."""
        return file.state == "deleted" and (self._kernel.opens != "layer" or self._kernel.text == "/")

    def _opened(self, file: File) -> tuple[str, int, int]:
        """Return device, inode and mount of what map_files opens."""
        if self._kernel.opens == "layer":
            return DISK, file.inode, self._mount(file.layer)
        # An overlay's file, and shiftfs's, has the lower one's number; aufs has numbers of its own.
        return (OVERLAY, file.inode, self._kernel.mount) if self._kernel.opens == "overlay" else (
            AUFS, 17 + FILES.index(file), self._kernel.mount)

    def _mount(self, layer: str) -> int:
        return self._kernel.mount + (self._kernel.mount == CLONE and layer == "up")

    def _now(self, file: File) -> File:
        """Return the file that a name opens by now."""
        return file._replace(layer="up", inode=file.copy) if file.copy and self._kernel.opens == "layer" else file

    def again(self, vma: Vma, path: bytes) -> tuple[str, str]:
        theirs = FILES[(vma.start - 0x400000) // 0x2000]
        ours = next(self._now(file) for file in FILES if f"/{file.path}".encode() == path)
        mapping = self._facts(ours)
        return shared(self._facts(theirs), Ours(mapping if self._kernel.hands_on_files else mapping._replace(
            mount_id=TOP, path=path), mapping))

    def _facts(self, file: File) -> FileFacts:
        device, inode, mount = self._opened(file)
        return FileFacts("file", kernellab.number(device), inode, int(not self._is_marked(file)), 4096, mount, None,
                         self._text(file).encode())

    def numbered(self, inode: int) -> list[bytes]:
        return [file.path.encode() for file in FILES if inode in {file.inode, file.copy}]

    def by_handle(self, handle: Handle) -> dict | None:
        return next((stat(DISK, file.inode) for file in FILES if handle == _handle(file)), None)

    def text(self, name: str) -> str:
        return f"Linux version {self._kernel.release} (report)" if name == "version" else ""

    def root_inode(self) -> int:
        return -3

    def map_files(self) -> dict[str, tuple[bytes, dict]]:
        found = {}
        for number, file in enumerate(FILES):
            start = 0x400000 + number * 0x2000
            device, inode, mount = self._opened(file)
            seen = stat(device, inode) | {"mnt_id": mount, "nlink": int(not self._is_marked(file))}
            found[f"{start:x}-{start + 0x1000:x}"] = self._text(file).encode(), seen
        return found

    def stats(self, key: str) -> dict[bytes, dict]:
        found = {}
        for file in FILES:
            here = {"low": file.layer == "low", "up": file.layer == "up" or file.copy}.get(key, file.state != "deleted")
            inode = file.copy if key == "up" and file.copy else file.inode
            device, number = self._seen(file) if key in {"root", "merged"} else (DISK, inode)
            found[file.path.encode()] = stat(device, number) if here else {"error": "ENOENT"}
        return found

    def _seen(self, file: File) -> tuple[str, int]:
        device = self._kernel.root[0]
        return device, 17 + FILES.index(file) if device == AUFS else file.inode

    def xattrs(self, layer: str) -> dict[bytes, dict[str, bytes]]:
        if layer != "up" or not self._kernel.names_origins:
            return {}
        return {file.path.encode(): {"trusted.overlay.origin": _origin(file)} for file in FILES if file.copy}


def _handle(file: File) -> Handle:
    return Handle(1, file.inode.to_bytes(4, "little") + b"\x01\x02\x03\x04")  # ext4: the number and a generation


def _origin(file: File) -> bytes:
    handle = _handle(file)
    return bytes([0, 0xFB, 21 + len(handle.data), 0, handle.type]) + b"\x07" * 16 + handle.data


def stat(device: str, inode: int) -> dict:
    later = inode >= 700_000
    return {"dev": device, "ino": inode, "nlink": 1, "size": 4096, "mode": "0o100644",
            "changed": Report.booted + (60 if later else -86_400) * 10**9}


def recording(name: str, without: str = "?") -> bytes:
    """Return the recording of one kernel; no question in it begins like *without*."""
    kernel = KERNELS[name]
    about = [f"kernel\t{spelled(kernel.release)}", f"report\t{spelled(name)}"]
    lines = (line for line in kernellab.transcript(Report(kernel)).lines() if not line.startswith(without))
    sections = [("recorder", iter(about)), ("process 4242", lines)]
    return b"".join(form.rendered(iter(sections)))


def truth() -> list[dict]:
    """Return what is true of every mapping, as tests.recording.truth has it."""
    return [{"pid": 4242, "combination": "report", "label": file.path, "start": 0x400000 + number * 0x2000,
             "path": f"/{file.path}", "state": file.state, "role": {"low": "lower", "up": "upper"}[file.layer],
             "file": ["252:1", file.inode]} for number, file in enumerate(FILES)]


def main() -> None:
    os.write(1, recording(sys.argv[1]))
    print(json.dumps(truth()), file=sys.stderr)


if __name__ == "__main__":
    main()
