"""The same battery on every kind of layer filesystem and every way to name layers."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.scenes import Scene
from tests.overlay.truth import check

# name: (filesystems of the lowers, of the upper; equal words are one filesystem), options
MIXES = {
    "tmpfs": (["tmpfs:a", "tmpfs:a"], "tmpfs:a", ""),
    "ext4": (["ext4:a", "ext4:a"], "ext4:a", ""),
    "ext4 redirect_dir": (["ext4:a", "ext4:a"], "ext4:a", ",redirect_dir=on"),
    "ext4 index": (["ext4:a", "ext4:a"], "ext4:a", ",index=on"),
    "ext4 nfs_export": (["ext4:a", "ext4:a"], "ext4:a", ",nfs_export=on"),
    "ext4 metacopy": (["ext4:a", "ext4:a"], "ext4:a", ",metacopy=on"),
    "ext4 under tmpfs xino=off": (["ext4:a"], "tmpfs:a", ",xino=off"),
    "ext4 under tmpfs xino=auto": (["ext4:a"], "tmpfs:a", ",xino=auto"),
    "ext4 under tmpfs xino=on": (["ext4:a"], "tmpfs:a", ",xino=on"),
    "two ext4 under tmpfs xino=off": (["ext4:a", "ext4:b"], "tmpfs:a", ",xino=off"),
    "two ext4 under tmpfs xino=auto": (["ext4:a", "ext4:b"], "tmpfs:a", ",xino=auto"),
    "two ext4 under tmpfs xino=on": (["ext4:a", "ext4:b"], "tmpfs:a", ",xino=on"),
    "tmpfs under ext4": (["tmpfs:a"], "ext4:a", ""),
    "btrfs subvolumes": (["btrfs:a", "btrfs:a"], "btrfs:a", ""),
    "two btrfs under tmpfs": (["btrfs:a", "btrfs:b"], "tmpfs:a", ""),
    "xfs": (["xfs:a", "xfs:a"], "xfs:a", ""),
    "xfs metacopy": (["xfs:a", "xfs:a"], "xfs:a", ",metacopy=on"),
    "xfs nfs_export": (["xfs:a", "xfs:a"], "xfs:a", ",nfs_export=on"),
    "two xfs under ext4 xino=on": (["xfs:a", "xfs:b"], "ext4:a", ",xino=on"),
    "read-only two xfs": (["xfs:a", "xfs:b"], None, ""),
    "squashfs": (["squashfs:a"], "tmpfs:a", ""),
    "two squashfs": (["squashfs:a", "squashfs:b"], "ext4:a", ""),
    "two squashfs xino=on": (["squashfs:a", "squashfs:b"], "tmpfs:a", ",xino=on"),
    "erofs": (["erofs:a"], "tmpfs:a", ""),
    "two erofs": (["erofs:a", "erofs:b"], "ext4:a", ""),
    "read-only tmpfs": (["tmpfs:a", "tmpfs:a"], None, ""),
    "read-only ext4": (["ext4:a", "ext4:a", "ext4:a"], None, ""),
    "read-only two ext4 xino=off": (["ext4:a", "ext4:b"], None, ",xino=off"),
    "read-only two ext4 xino=on": (["ext4:a", "ext4:b"], None, ",xino=on"),
    "read-only two squashfs": (["squashfs:a", "squashfs:b"], None, ""),
    "read-only squashfs and erofs": (["squashfs:a", "erofs:b"], None, ""),
}
IMAGES = {"squashfs": ["mksquashfs", "{0}", "{1}", "-noappend", "-quiet", "-no-progress"],
          "erofs": ["mkfs.erofs", "-x-1", "{1}", "{0}"]}
PROGRAMS = {kind: words[0] for kind, words in (IMAGES | kernel.MAKE).items()}


def needed(kind: str) -> None:
    """Skip where the kernel lacks a filesystem, or there is no program to make one."""
    with open("/proc/filesystems", encoding="ascii") as file:
        if kind not in {line.split()[-1] for line in file}:
            missing("overlay", f"the kernel lacks {kind}")
    if kind != "tmpfs" and shutil.which(PROGRAMS[kind], path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
        missing("overlay", f"needs {PROGRAMS[kind]}")


class Grounds:
    """The filesystems of one scene, made when they are first named."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.made = scene, {}

    def directory(self, word: str, name: str) -> Path:
        """Return an empty directory; a word names one filesystem."""
        kind, _, _ = word.partition(":")
        needed(kind)
        if kind in IMAGES:
            return self.scene.base / f"{word.replace(':', '-')}-{name}"
        if word not in self.made:
            where = self.scene.base / word.replace(":", "-")
            self.made[word] = self.scene.stack.enter_context(kernel.filesystem(kind, where))
        if kind == "btrfs":
            subprocess.run(["btrfs", "-q", "subvolume", "create", self.made[word] / name], check=True,
                           stdout=subprocess.DEVNULL)
        return self.made[word] / name

    def seal(self, word: str, path: Path) -> None:
        """Make an image of a directory and mount it in its place."""
        kind, _, _ = word.partition(":")
        if kind in IMAGES:
            image = path.with_suffix(".img")
            command = [part.format(path, image) for part in IMAGES[kind]]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.scene.stack.enter_context(kernel.loop_mounted(image, path, kind))


@contextmanager
def mixed(name: str, lab: Path, mapper: Path) -> Iterator[Scene]:
    """Give a mounted overlay of one mix, with a process."""
    lowers, upper, options = MIXES[name]
    with Scene(name, lab, mapper) as scene:
        grounds = Grounds(scene)
        layers = [scene.lower(grounds.directory(word, f"l{number}")) for number, word in enumerate(lowers)]
        if upper is not None:
            scene.upper(grounds.directory(upper, "u") / "dir")
        lay(scene, "one")
        for word, layer in zip(lowers, layers, strict=True):
            grounds.seal(word, layer.path)
        scene.mount(options)
        scene.start()
        yield scene


@pytest.mark.parametrize("name", MIXES)
def test_no_answer_is_wrong_on_this_mix(lab, mapper, name):
    with mixed(name, lab, mapper) as scene:
        happen(scene, "one", writable=MIXES[name][1] is not None)
        check(scene)


@pytest.mark.parametrize("name", MIXES)
def test_no_answer_is_wrong_in_a_container_on_this_mix(lab, mapper, name):
    with mixed(name, lab, mapper) as scene:
        scene.name += ", container"
        scene.contain()
        happen(scene, "one", writable=MIXES[name][1] is not None)
        check(scene, inside=True)
