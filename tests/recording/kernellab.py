"""Recordings of kernels that were booted once, turned into the form of mapsd's: kernellab.py DUMPS/KERNEL > FILE.

A dump has a directory for each combination of layers: texts of /proc as they were read from outside (outside.*), what
stat(2) said of the files of each case (facts.json), and the overlay attributes of each layer (xattrs.*). What mapsd
asks is answered from that, and written down as any recording is. What a dump does not say is refused; where a value has
to be given that nobody noted (an inode number of a directory, a time), it is one that equals no other.

What the workload did not do is known as well: no layer was moved or covered after the mount. So the directories are as
old as can be, the mounts that they lie on are such as cannot be moved, and where an overlay's root has the inode number
of its upper directory (all layers are on one filesystem), both have the same, and the same time; and the only file with
` (deleted)` in its name is one of the cases.
"""

import ast
import json
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mapsd.answer.observe import observe
from mapsd.answer.overlays import layers
from mapsd.answer.reading import Asking
from mapsd.model import Absent, DeviceId, FileFacts, Found, Handle, LayerDir, Mount, Refused, Vma
from mapsd.model.layers import Way
from mapsd.parse import maps, mountinfo
from mapsd.parse.escape import DELETED
from mapsd.parse.overlay_xattrs import NAMES
from mapsd.parse.stat import Stat
from mapsd.ports import ByHandle, Namespace
from mapsd.recorder.observed import TapedProcess
from mapsd.recorder.tape import Recorder
from mapsd.recording import form
from mapsd.recording.plain import Plain
from mapsd.recording.transcript import LAYERS, Transcript, spelled
from mapsd.resolve.mounts import MountTable

UNNOTED = "it was not noted when this kernel was looked at"
LOST = Refused(UNNOTED)
_NO_TIME = 1 << 62
_ABSENT = {"ENOENT", "ENOTDIR", "ENAMETOOLONG"}


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def number(text: str) -> DeviceId:
    major, minor = text.split(":")
    return DeviceId(int(major, 16), int(minor, 16))


class Dump:
    """One combination of one kernel."""

    booted = 10**10  # when the machine was, in nanoseconds since the epoch: no times were noted

    def __init__(self, where: Path) -> None:
        self.where = where
        self.facts = json.loads((where / "facts.json").read_text())
        self.maps = (where / "outside.maps").read_bytes()
        self.mountinfo = (where / "outside.mountinfo").read_bytes()
        self.host = mountinfo.parse((where / "host.mountinfo").read_bytes())
        self.table = MountTable(mountinfo.parse(self.mountinfo))
        lines = (where / "outside.links").read_bytes().splitlines()
        links = (line.partition(b" -> ") for line in lines)
        self.links = {name.decode(): text for name, _, text in links if not text.startswith(b"ERR ")}
        self.root = self.links["root"]
        self.layers = {name: raw(path) for name, path in self.facts["layers"].items() if path is not None}

    def text(self, name: str) -> str:
        """Return a text that is the same for every combination, empty where it was not noted."""
        path = self.where.parent / name
        return path.read_text() if path.exists() else ""

    def root_inode(self) -> int:
        """Return what stands for the inode number of the overlay's root."""
        devices = {seen["dev"] for name in self.layers for seen in self.stats(name).values() if "dev" in seen}
        return -2 - list(self.layers).index("up") if len(devices) == 1 and "up" in self.layers else -1

    def map_files(self) -> dict[str, tuple[bytes, dict]]:
        """Return text and stat of each map_files link."""
        found = {}
        for line in (self.where / "outside.map_files").read_bytes().decode("utf-8", "surrogateescape").splitlines():
            addresses, arrow, rest = line.partition(" -> ")
            if not arrow:
                continue
            text, seen = rest.rsplit(" {", 1)
            found[addresses] = raw(ast.literal_eval(text)), ast.literal_eval("{" + seen)
        return found

    def stats(self, key: str) -> dict[bytes, dict]:
        """Return what stat said of each path that was asked for in one view: root, merged, or a layer."""
        found: dict[bytes, dict] = {}
        for case in self.facts["cases"]:
            # stat(2) follows the link, whose own inode is not noted.
            if f"stat_{key}" in case and case["label"] != "symlinked":
                found[raw(case["path"])] = case[f"stat_{key}"]
            if f"stat_{key}_alias" in case:
                found[raw(_ALIAS[case["label"]])] = case[f"stat_{key}_alias"]
        return found

    def xattrs(self, layer: str) -> dict[bytes, dict[str, bytes]]:
        """Return the overlay attributes of the files of a layer, in full."""
        found: dict[bytes, dict[str, bytes]] = {}
        path = self.where / f"xattrs.{layer}"
        for line in path.read_text(errors="surrogateescape").splitlines() if path.exists() else []:
            if line:
                name, _, rest = line.partition("' ") if line.startswith("'") else line.partition('" ')
                attribute, _, value = rest.partition(" = ")
                file = raw(ast.literal_eval(name + line[0]))
                found.setdefault(b"" if file == b"." else file, {})[attribute] = ast.literal_eval(value)
        return found

    def numbered(self, _: int) -> Sequence[bytes]:
        """Return the paths of the files with an inode number, of which no search was noted."""
        return ()

    def by_handle(self, _: Handle) -> dict | None:
        """Return what stat says of the file with a handle."""
        return None

    def again(self, *_: object) -> tuple[str, str]:
        """Return what a mapping has in common with one of our own."""
        return "silent", UNNOTED


# Where a file lies in the layers that was mapped by another name: what the workload did.
_ALIAS = {"renamed_lower_after": "data/ren_lower.dat", "renamed_upper_after": "data/ren_upper.dat",
          "rdir_after": "rdir/sub/file.dat", "symlinked": "data/lower.dat", "bind_overlay": "bmdir/file.dat"}


def _of(seen: dict, path: bytes, mount_id: int | None, xattrs: tuple = ()) -> Found:
    """Return what stat(2) said as a file's facts."""
    if "error" in seen:
        return Absent() if seen["error"] in _ABSENT else Refused(seen["error"])
    identity = seen.get("mnt_id", mount_id)
    if identity is None:
        return Refused("this kernel's statx has no mount ids (Linux 5.8)")
    device, mode = number(seen["dev"]), int(seen["mode"], 8)
    return FileFacts(_kind(mode), device, seen["ino"], seen["nlink"], seen["size"], identity, None, path, xattrs,
                     seen.get("changed", _NO_TIME + (device.major << 40) + (device.minor << 32) + seen["ino"]))


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    # Only overlays make devices without any permission.
    return "whiteout" if mode == stat.S_IFCHR else "other"


class Texts:
    """The process, from the texts that were noted."""

    def __init__(self, dump: Dump) -> None:
        self._dump = dump
        self.pid = dump.facts["pid"]
        self.path = b"/proc/%d" % self.pid
        self._map_files = dump.map_files()
        self._named = dump.stats("root")
        top = [mount.id for mount in dump.table.all if mount.mount_point == b"/"]
        self._top = top[0] if top else None

    def stat(self) -> Stat:
        return Stat(b"mapper", "S", 0, 0)

    def mountinfo(self) -> bytes:
        return self._dump.mountinfo

    def text(self, name: str) -> bytes:
        assert name == "status"
        return b"Name:\tmapper\nUid:\t0\t0\t0\t0\n"  # the workload runs as root

    def target(self, name: str) -> bytes | None:
        return self._dump.links.get(name)

    def link(self, vma: Vma) -> bytes | None:
        found = self._map_files.get(f"{vma.start:x}-{vma.end:x}")
        return found[0] if found else None

    def mapped(self, vma: Vma) -> Found:
        found = self._map_files.get(f"{vma.start:x}-{vma.end:x}")
        return LOST if found is None else _of(found[1], found[0], None)

    def links(self) -> Sequence[bytes]:
        return [text for name, text in self._dump.links.items() if name == "exe" or name.startswith("fd/")]

    def named(self, path: bytes) -> Found:
        if path == b"/":
            return self._root()
        seen = self._named.get(path[1:])
        if seen is None:
            return Absent() if path.endswith(DELETED) else LOST
        shown = path if self._dump.root == b"/" else self._dump.root + path
        return _of(seen, shown, None if self._top is None else self._dump.table.leads_to(path, self._top))

    def _root(self) -> Found:
        device = self._dump.facts.get("root_dev")
        if self._top is None or device is None:
            return LOST
        inode = self._dump.root_inode()
        return FileFacts("directory", number(device), inode, 1, 0, self._top, None, self._dump.root, (),
                         _NO_TIME + inode)


class Machine:
    """The machine, from what was noted of its layers."""

    def __init__(self, dump: Dump) -> None:
        self._dump = dump
        self._stats = {name: dump.stats(name) for name in dump.layers}
        self._xattrs = {name: dump.xattrs(name) for name in dump.layers}
        self._merged = dump.stats("merged")
        self._host = MountTable(dump.host)
        self._dirs = [one for number, name in enumerate(dump.layers) for one in self._directory(name, number)]

    def _directory(self, name: str, key: int) -> Iterator[LayerDir]:
        """Yield a layer's directory: its own inode was not noted."""
        path = self._dump.layers[name]
        devices = {number(seen["dev"]) for seen in self._stats[name].values() if "dev" in seen}
        mount = self._mount(path)
        if len(devices) == 1 and mount is not None:
            facts = FileFacts("directory", devices.pop(), -2 - key, 1, 0, mount, None, path, (), _NO_TIME + (-2 - key))
            yield LayerDir(key, path, facts, None, ((path, 0),))

    def _mount(self, path: bytes) -> int | None:
        top = [mount.id for mount in self._dump.host if mount.mount_point == b"/"]
        return self._host.leads_to(path, top[0]) if top else None

    def booted(self) -> int:
        return self._dump.booted

    def mounts(self) -> Sequence[Mount]:
        return [mount._replace(shared=True) for mount in self._dump.host]

    def mount_points(self, _: DeviceId) -> Sequence[bytes]:
        return ()

    def named(self, path: bytes) -> Found:
        merged = raw(self._dump.facts["merged"]) + b"/"
        if path.startswith(merged) and path[len(merged):] in self._merged:
            return _of(self._merged[path[len(merged):]], path, self._mount(path))
        for name, layer in self._dump.layers.items():
            below = path.removeprefix(layer + b"/")
            if below != path and below in self._stats[name]:
                return _of(self._stats[name][below], path, self._mount(path))
        return next((one.facts for one in self._dirs if one.path == path), LOST)

    def directories(self, text: bytes, _: Sequence[bytes]) -> Sequence[LayerDir]:
        return [one for one in self._dirs if one.path == text]

    def entry(self, layer: LayerDir, path: bytes, prefix: str) -> Found:
        name = next(name for name, text in self._dump.layers.items() if text == layer.path)
        marked = self._xattrs[name].get(path, {})
        xattrs = tuple((one, marked[prefix + one]) for one in NAMES if prefix + one in marked)
        if not path:
            return layer.facts._replace(xattrs=xattrs)
        shown = layer.path + b"/" + path
        seen = self._stats[name].get(path)
        if seen is not None:
            return _of(seen, shown, self._mount(shown), xattrs)
        known = self._stats[name].items()
        if any(below.startswith(path + b"/") and "error" not in one for below, one in known):
            return layer.facts._replace(inode=-_number(shown), path=shown, xattrs=xattrs)
        if any(path.startswith(above + b"/") and one.get("error") in _ABSENT for above, one in known):
            return Absent()
        if not marked and any(below.startswith(path + b"/") and one.get("error") == "ENOENT" for below, one in known):
            # Missing, or a directory that hides nothing: other files give ENOTDIR, marks were noted, and no directory
            # is a link.
            return Absent()
        return LOST

    def search(self, layer: LayerDir, _: object, inode: int, prefix: str) -> Sequence[tuple[bytes, FileFacts]]:
        found = ((path, self.entry(layer, path, prefix)) for path in self._dump.numbered(inode))
        return [(path, seen) for path, seen in found if isinstance(seen, FileFacts) and seen.inode == inode]

    def by_handle(self, wanted: ByHandle, _: object) -> Found:
        found = self._dump.by_handle(wanted.wanted.handle)
        return LOST if found is None else _of(found, b"", self._mount(b"/"))

    def again(self, vma: Vma, path: bytes) -> tuple[str, str]:
        return self._dump.again(vma, path)

    def directory_by_handle(self, _: object) -> LayerDir | None:
        return None

    def place_of(self, mount_id: int, _: object) -> Namespace:
        mount = self._dump.table.by_id(mount_id)
        if mount is not None:
            return Namespace("here", mount=mount)
        other = self._host.by_id(mount_id)
        if other is not None:
            return Namespace("elsewhere", mount=other)
        return Namespace("unknown", UNNOTED)

    def default(self, switch: str) -> bool:
        return self.parameters().get(switch, True)

    def reads_trusted(self) -> bool:
        return True

    def listed(self, *_: object) -> Sequence[tuple[bytes, bool]]:
        return ()

    def parameters(self) -> dict[str, bool]:
        lines = (line.partition("=") for line in self._dump.text("overlay-parameters").splitlines())
        return {name: value == "Y" for name, _, value in lines if value in {"Y", "N"}}


def _number(path: bytes) -> int:
    """Return a number that no other file has."""
    return 1000 + int.from_bytes(path, "big") % (1 << 48)


class Silent:
    """The means: none was asked when the kernel was looked at."""

    def compare(self, *_: object) -> tuple[str, str]:
        return "silent", UNNOTED

    def of(self, _: object) -> Refused:
        return LOST

    mapped = of


class Attempt:
    def __init__(self, dump: Dump) -> None:
        self.machine = Machine(dump)
        self.frames = self.build_ids = self.vm_files = Silent()

    def close(self) -> None:
        """Do nothing."""


class Maps:
    def __init__(self, text: bytes) -> None:
        self._text = text

    def read(self) -> bytes:
        return self._text

    def close(self) -> None:
        """Do nothing."""


class Process:
    """The process of a dump, asked as a live one is."""

    def __init__(self, dump: Dump) -> None:
        self._dump, self.process = dump, Texts(dump)
        self.line = self.process.stat()

    def maps(self) -> Maps:
        return Maps(self._dump.maps)

    def attempt(self) -> Attempt:
        return Attempt(self._dump)

    def walk(self, path: bytes) -> Way:
        return Way(path, LOST)

    def release(self) -> str:
        return self._dump.text("version").split()[2]

    def now(self) -> float:
        return 0.0

    def close(self) -> None:
        """Do nothing."""


def transcript(dump: Dump) -> Transcript:
    """Return what one combination says."""
    recorder = Recorder(Plain())
    assert maps.parse(dump.maps)
    recorder.begin("lookup")
    observe(dump.facts["pid"], None, Asking("auto", lambda *_: TapedProcess(recorder, lambda: Process(dump))))
    recorder.begin(LAYERS)
    layers(dump.facts["pid"], None, lambda *_: TapedProcess(recorder, lambda: Process(dump)))
    return recorder.transcript


def sections(kernel: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the sections of one kernel's recording."""
    dumps = [Dump(where) for where in sorted(kernel.iterdir()) if (where / "facts.json").exists()]
    about = {"kernel": dumps[0].text("version").split()[2],
             "combinations": {str(dump.facts["pid"]): dump.facts["combo"] for dump in dumps}}
    yield "recorder", iter([f"{name}\t{spelled(value)}" for name, value in about.items()])
    for dump in sorted(dumps, key=lambda one: one.facts["pid"]):
        yield f"process {dump.facts['pid']}", transcript(dump).lines()


def main() -> None:
    for part in form.rendered(sections(Path(sys.argv[1]))):
        os.write(1, part)


if __name__ == "__main__":
    main()
