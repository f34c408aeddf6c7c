"""Which facts a recording lacks that would settle a mapping's user path, state and backing file.

    python -m tests.recording.lacking < RECORDING

Nothing of mapsd is imported, and nothing that mapsd says is asked: each rule below says by how the kernel behaves which
facts suffice. A question has several sets of facts that suffice; what is returned of one that cannot be answered is
what each set lacks, and nothing where one of them is whole.

What is not taken to suffice, and why:

- A name, or device and inode of stat(2) through the map_files link, without the mount: the same name, and the same
  file, may be seen through a mount that has left the namespace (`detached`) or is in another one (`unreachable`).
- That the upper layer has nothing at a file's name: its copy may be in the index, or be moved within the layer. The
  overlay shows the time of change of the file that it takes (ovl_getattr), and only equal times exclude that. No time
  was noted of the kernels that were booted: the converter writes times from NO_TIME on, which equal none.
- That times differ, without the copy that has the other one: a link that is made of a file changes its time as well.
- The size of a lower file alone: some are written to in place, against the kernel's advice.
- The inode number that maps prints from Linux 6.8 on, where layers are on several filesystems: another filesystem has
  the same number. With xino=on the number would name the filesystem, but mountinfo prints that option also where the
  kernel gave it up. Nor where a filesystem numbers its subvolumes by themselves, nor where metadata may be copied up
  alone: then the number can be that of a copy which had no data yet when the mapping was made.
- Permission bits, which chmod(2) changes: a recording does not have them.
"""

import sys
from collections import Counter

from tests.recording.recorded import processes

NO_TIME = 1 << 61
DELETED = " (deleted)"
SUBVOLUMES = {"btrfs", "bcachefs"}
MOUNT = "the mount of the mapped file"
NAMESPACE = "the namespace of the mount"
FRAMES = "page frames"
STRUCTURES = "the kernel's own structures (BPF)"
TIMES = "times of change"
UPPER = "what tells that the upper directory is the mounted one"
NAMED = "what the shown path opens"
NUMBER = "a number that only one file of the layers can have"
NAME = "a live name"


class Mapped:
    """One mapping of a file, with what the recording has of it."""

    def __init__(self, process, vma):
        self.process, self.vma = process, vma
        self.seen = process.file("map_files", vma.spelled)
        self.names = list(_names(process, vma))
        self.claims = [] if self.seen else [name for name, cut in self.names if not cut and self._is_claimed(name)]
        self.live = next((name for name, cut in self.names if not cut and self._is_here(name)), None)
        self.mount = process.mount(self.seen["mount_id"]) if self.seen else self._claimed_mount()
        self.overlaid = self.mount is not None and self.mount.fs_type == "overlay"
        # Up to Linux 6.7 maps prints the backing file's own device.
        self.shows_backing = self.overlaid and vma.device != self.mount.device

    def _is_here(self, name):
        found = self.process.file("named", name)
        return name in self.claims or bool(
            found and self.seen and all(found[key] == self.seen[key] for key in ("st_dev", "inode", "mount_id")))

    def _is_claimed(self, name):
        """Return whether superblock and inode alone name the file: it is on no overlay, whose numbers recur."""
        found = self.process.file("named", name)
        mount = self.process.mount(found["mount_id"]) if found else None
        return mount is not None and mount.fs_type != "overlay" and (
            (mount.device, found["inode"]) == (self.vma.device, self.vma.inode))

    def _claimed_mount(self):
        found = self.process.file("named", self.claims[0]) if self.claims else None
        return self.process.mount(found["mount_id"]) if found else None

    def inner(self):
        """Return the path of the name inside the overlay."""
        for mount, name in ((self.mount, self.live), (self.mount, self.vma.name)):
            if name is not None and (name + "/").startswith(mount.mount_point.rstrip("/") + "/"):
                below = name[len(mount.mount_point.rstrip("/")):]
                return (mount.root.rstrip("/") + below).strip("/")
        return None

    def frames(self):
        """Return whether page frames or the kernel's structures say what the path reads now."""
        here = {"mapping": self.vma.spelled[0]}
        verdicts = [self.process.said(question, "", self.vma.spelled, here) for question in
                    ("page frames", "vm_file compared")]
        return any(one is not None and one[0] != "silent" for one in verdicts)

    def said(self):
        """Return whether the kernel's structures say what is held, and by which name."""
        found = self.process.said("vm_file", "", self.vma.spelled)
        return isinstance(found, dict) and "held" in found

    def is_held(self):
        """Return whether the kernel's structures say what is held, or a layer's file was seen to be it."""
        asked = [(question, answers[-1]) for (question, words), answers in self.process.answers.items()
                 if question in {"page frames", "vm_file compared"} and '"layer"' in words and self._is_asked(words)]
        return self.said() or any(verdict[0] == "same" for _, verdict in asked)

    def _is_asked(self, words):
        return f'"{self.vma.spelled[0]}"' in words


class Layers:
    """The layers of the overlay that a mapping's file is on."""

    def __init__(self, mapped):
        self.process, self.mapped = mapped.process, mapped
        options = dict(one.partition("=")[::2] for one in mapped.mount.options.split(",")[1:])
        self.has_upper = "upperdir" in options
        self.upper = self._directory(options.get("upperdir"))
        self.lowers = [self._directory(text) for text in options.get("lowerdir", "").split(":")]
        self.prefix = "user.overlay." if "userxattr" in options else "trusted.overlay."
        self.metadata_alone = options.get("metacopy", "") == "on" or (
            "metacopy" not in options and self.process.said("default", "metacopy") is not False)

    def _directory(self, text):
        found = self.process.said("directories", text, []) if text else None
        return self.process.directories[found[0]] if found else None

    def fs_of(self, directory):
        mount = self.process.mount(directory["facts"]["mount_id"]) if directory else None
        return (mount.device, mount.fs_type) if mount else (None, None)

    def entry(self, directory, path):
        return self.process.file("entry", directory["key"], path, self.prefix)

    def is_absent(self, directory, path):
        found = self.process.said("entry", directory["key"], path, self.prefix)
        above = [self.process.said("entry", directory["key"], path[:at], self.prefix)
                 for at, character in enumerate(path) if character == "/"]
        return any(isinstance(one, dict) and "absent" in one for one in (found, *above))

    def on_one(self):
        """Return whether every layer is on one filesystem, as far as is known."""
        found = [self.upper, *self.lowers]
        return None not in found and len({one["facts"]["st_dev"] for one in found}) == 1

    def is_upper_told(self):
        """Return whether the overlay's root shows what its upper directory has: its inode, or its time and size."""
        root = next((self.process.file("named", one.mount_point) for one in self.process.mounts
                     if one.device == self.mapped.mount.device and one.root == "/"), None)
        root = root or next((self.process.file("here", one.mount_point) for one in self.process.host
                             if one.device == self.mapped.mount.device and one.root == "/"), None)
        if root is None or self.upper is None:
            return False
        facts = self.upper["facts"]
        if root["handle"] is not None:
            return True  # the overlay's own handle of its root names it
        same = root["changed"] == facts["changed"] < NO_TIME and root["size"] == facts["size"]
        return same or (self.on_one() and root["inode"] == facts["inode"])

    def held_below(self):
        """Return the lower file that maps names by device and inode, where the lookup or a search met it."""
        met = [answers[-1]["file"] for (question, words), answers in self.process.answers.items()
               if question == "entry" and isinstance(answers[-1], dict) and "file" in answers[-1]]
        return next((one for one in met if one["inode"] == self.mapped.vma.inode and one["kind"] == "file" and
                     (self.process.mount(one["mount_id"]) or self.mapped.mount).device == self.mapped.vma.device and
                     not (self.upper and one["path"].startswith(self.upper["path"] + "/"))), None)


def lacking(process, vma):
    """Return for path, state and backing what is lacking: nothing, or the hole of each set that would suffice."""
    mapped = Mapped(process, vma)
    path = _path(mapped)
    state, backing = _state(mapped, path), _backing(mapped, path)
    return {"path": path, "state": state, "backing": backing}


def _path(mapped):
    process = mapped.process
    if mapped.seen is None:
        # Without the mount a name stands where nothing else can have printed it.
        return () if mapped.claims else (MOUNT,)
    identity = mapped.seen["mount_id"]
    root = process.file("named", "/")
    if all(one.id != identity for one in process.mounts) and (root is None or root["mount_id"] != identity):
        return (NAMESPACE,)
    if mapped.live is None and _is_veiled(mapped):
        return () if mapped.said() else (STRUCTURES,)
    asked = mapped.live is not None or all(process.settled("named", name) for name, _ in mapped.names)
    return () if asked else (NAMED,)


def _is_veiled(mapped):
    """Return whether a mount covers both names of a file that may be deleted, or really be called ` (deleted)`."""
    return any(cut for _, cut in mapped.names) and all(
        _topmost(mapped.process.mounts, name) != mapped.seen["mount_id"] for name, _ in mapped.names)


def _topmost(mounts, name):
    """Return the id of the mount on which a name ends, symbolic links left out."""
    above = [(len(one.mount_point), place, one.id) for place, one in enumerate(mounts)
             if (name + "/").startswith(one.mount_point.rstrip("/") + "/")]
    return max(above)[2] if above else None


def _state(mapped, path):
    if path:
        return path
    if mapped.live is None or not mapped.overlaid:
        return ()  # that it was deleted, replaced or covered is seen by the name; a plain file is always itself
    return _agreement(mapped, Layers(mapped))


def _agreement(mapped, layers):
    """Return what is lacking to say whether a live path still opens the held data."""
    if mapped.frames():
        return ()
    if not layers.has_upper and all(layers.fs_of(one)[1] not in {None, "overlay"} for one in layers.lowers):
        return ()  # nothing is ever copied up
    if (_upper_stays(mapped, layers) or _is_copied(mapped, layers)) if mapped.shows_backing else _is_upper(
            mapped, layers):
        return ()
    if _times_agree(mapped, layers):
        return ()
    doubts = [] if layers.is_upper_told() else [UPPER]
    return (FRAMES, STRUCTURES, *doubts, TIMES)


def _upper_stays(mapped, layers):
    """Return whether the held file is the upper layer's, which is never given up as long as the name lives."""
    below = [layers.fs_of(one) for one in layers.lowers]
    if all(fs_type not in {None, "overlay"} and device != mapped.vma.device for device, fs_type in below):
        return True  # no lower layer is on its filesystem
    found = layers.entry(layers.upper, mapped.inner()) if layers.is_upper_told() else None
    return found is not None and found["inode"] == mapped.vma.inode and (
        layers.fs_of(layers.upper)[0] == mapped.vma.device)


def _is_copied(mapped, layers):
    """Return whether the held lower file differs from what the path shows, which the file in the upper layer has."""
    held = layers.held_below()
    copy = layers.entry(layers.upper, mapped.inner()) if layers.is_upper_told() else None
    if held is None or copy is None or copy["kind"] != "file" or "metacopy" in copy.get("xattrs", {}):
        return False
    return copy["size"] == mapped.seen["size"] != held["size"]


def _is_upper(mapped, layers):
    """Return whether the overlay's number is that of the upper file: the file that it began as keeps its number."""
    if layers.metadata_alone or not layers.on_one() or not layers.is_upper_told():
        return False
    found = layers.entry(layers.upper, mapped.inner())
    return found is not None and layers.fs_of(layers.upper)[1] not in SUBVOLUMES and (
        found["inode"] == mapped.vma.inode == mapped.seen["inode"])


def _times_agree(mapped, layers):
    """Return whether the path shows the time of a lower file, and the upper layer has none at its name."""
    times = [one["changed"] for directory in layers.lowers if directory
             for one in [layers.entry(directory, mapped.inner())] if one is not None]
    return layers.is_upper_told() and layers.is_absent(layers.upper, mapped.inner()) and (
        mapped.seen["changed"] in [time for time in times if time < NO_TIME])


def _backing(mapped, path):
    if mapped.shows_backing or mapped.claims or (mapped.mount is not None and not mapped.overlaid):
        return ()
    if mapped.mount is None:
        # Before Linux 5.8 the mount was not noted, and maps names the layer's filesystem; later it is an overlay's.
        devices = {one.device for one in mapped.process.host if one.fs_type != "overlay"}
        return () if mapped.vma.device in devices else path
    if mapped.is_held():
        return ()
    layers = Layers(mapped)
    if not layers.has_upper and (mapped.live is not None or not any(cut for _, cut in mapped.names)):
        return ()  # nothing above hides a lower file, and a name stays what it is
    if mapped.live is None:
        return (FRAMES, STRUCTURES, NAME)
    if _is_upper(mapped, layers) or _times_agree(mapped, layers):
        return ()
    return (FRAMES, STRUCTURES, TIMES, NUMBER)


def _names(process, vma):
    """Yield each name inside the process's root that the shown text may stand for, and whether a mark was cut off."""
    link = process.said("map_files link", vma.spelled)
    texts = [link] if link is not None else dict.fromkeys((vma.name, vma.name.replace("\\012", "\n")))
    for text in texts:
        for cut in ("", DELETED):
            if text.endswith(cut):
                name = text[:len(text) - len(cut)]
                root = (process.root or "/").rstrip("/")
                if name.startswith(root + "/"):
                    yield name[len(root):], bool(cut)


def main():
    counted = Counter()
    for process in processes(sys.stdin.read()).values():
        for vma in process.vmas():
            counted.update((question, holes) for question, holes in lacking(process, vma).items())
    for (question, holes), number in sorted(counted.items()):
        print(f"{number:6} {question:8} {'; '.join(holes) or 'nothing is lacking'}")


if __name__ == "__main__":
    main()
