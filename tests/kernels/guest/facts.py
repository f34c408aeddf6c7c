"""What the booted kernel has, found out without mapsd: proofs that are expected to speak, and kinds of overlays."""

import fcntl
import mmap
import os
from collections.abc import Callable
from pathlib import Path

from tests.overlay import kernel

_PROCMAP_QUERY = 0xC0686611  # _IOWR('f', 17, struct procmap_query), include/uapi/linux/fs.h
_BTF = Path("/sys/kernel/btf/vmlinux")


def facts(where: Path) -> dict[str, bool]:
    """Return what this kernel has; overlays are tried out in an empty directory on a tmpfs."""
    for name in ("lower", "metadata", "data", "upper", "work", "merged"):
        (where / name).mkdir()
    (where / "lower/file").write_bytes(b"lower".ljust(mmap.PAGESIZE))
    plain = f"lowerdir={where}/lower,upperdir={where}/upper,workdir={where}/work"
    merged, data_only = where / "merged", f"lowerdir={where}/metadata::{where}/data,metacopy=on"
    by_config = [("lowerdir+", f"{where}/metadata"), ("datadir+", f"{where}/data"), ("metacopy", "on")]
    return {
        "kernel-inode": _prints_the_layers_inode(where, plain),
        "page-frame": True,
        "build-id": _answers_queries(),
        "bpf": _tells_by_iterator(),
        "lookup": True,
        "userxattr": _mounts(merged, lambda: kernel.mount("overlay", merged, "overlay", 0, f"{plain},userxattr")),
        "data-only": _mounts(merged, lambda: kernel.mount("overlay", merged, "overlay", 0, data_only)),
        "datadir+": _mounts(merged, lambda: kernel.mount_by_config(merged, "overlay", by_config)),
    }


def _prints_the_layers_inode(where: Path, options: str) -> bool:
    with kernel.mounted("overlay", where / "merged", "overlay", 0, options), (where / "merged/file").open("rb") as file:
        shown, held = os.fstat(file.fileno()), os.stat(where / "lower/file")
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
            lines = Path("/proc/self/maps").read_text().splitlines()
        [line] = [line.split() for line in lines if line.endswith("/merged/file")]
    device = f"{os.major(held.st_dev):02x}:{os.minor(held.st_dev):02x}"
    assert shown.st_dev != held.st_dev
    return (line[3], int(line[4])) == (device, held.st_ino)


def _answers_queries() -> bool:
    with open("/proc/self/maps", "rb") as file:
        try:
            fcntl.ioctl(file, _PROCMAP_QUERY, bytearray(104))
        except OSError as error:
            # A query that is too short to be one is refused in another way.
            return error.errno != 25  # ENOTTY
    return True


def _tells_by_iterator() -> bool:
    """Return whether an iterator shows vm_file, and whether that is the layer's file with a path of its own."""
    names = _BTF.read_bytes() if _BTF.exists() else b""
    # v6.5 and v6.6 have a backing_file without the user's path (def3ae83da02, in v6.7).
    return all(b"\0%s\0" % name in names for name in (b"bpf_iter__task_vma", b"backing_file", b"user_path"))


def _mounts(merged: Path, mount: Callable[[], object]) -> bool:
    try:
        mount()
    except OSError:
        return False
    kernel.umount(merged, kernel.MNT_DETACH)
    return True
