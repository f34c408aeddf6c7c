"""A kernel's image, and an archive of the modules that the scenes need, in the order in which they are loaded."""

import lzma
import os
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

from tests.kernels.archive import Archive
from tests.kernels.mirror import Suite

# Those that a kernel lacks or has built in are left out.
MODULES = ("overlay", "loop", "crc32c", "crc32c_generic", "xxhash_generic", "sha256_generic", "blake2b_generic",
           "btrfs", "squashfs", "erofs")


class Kernel(NamedTuple):
    """What is booted: the release, the image, and the modules."""

    release: str
    image: Path
    modules: Path


def newest(suite: str, cache: Path) -> Kernel:
    """Return the newest kernel of a suite, downloaded unless it is kept already. Raises NotFound."""
    with Suite(suite, cache / "apt" / suite).updated() as mirror:
        packages = mirror.newest()
        release = packages[0].name.removeprefix("linux-image-")
        kept = cache / f"{release}_{packages[0].version}_{zlib.crc32(' '.join(MODULES).encode()):08x}"
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=cache) as name:
                made = Path(name)
                # With parts of its own the first is empty.
                for package in packages[1:] or packages:
                    file = mirror.download(package, made)
                    subprocess.run(["dpkg-deb", "-x", file, made / "root"], check=True)
                _keep(made, release, made / "kept")
                (made / "kept").rename(kept)
        os.utime(kept)
    return Kernel(release, kept / "vmlinuz", kept / "modules.cpio")


def _keep(made: Path, release: str, kept: Path) -> None:
    kept.mkdir()
    images = [made / "root/boot" / f"vmlinuz-{release}", made / "root/usr/lib/modules" / release / "vmlinuz"]
    shutil.copyfile(next(path for path in images if path.exists()), kept / "vmlinuz")
    if not (made / "root/lib").exists():
        (made / "root/lib").symlink_to("usr/lib")
    subprocess.run(["depmod", "-b", made / "root", release], check=True, stderr=subprocess.DEVNULL, env=_env())
    files = [file for name in MODULES for file in _needed(made / "root", release, name)]
    with Archive(kept / "modules.cpio") as archive:
        for file in dict.fromkeys(files):
            archive.write(f"/modules/{_plain(file)}", _unpacked(file))
        archive.write("/modules/order", "".join(f"{_plain(file)}\n" for file in dict.fromkeys(files)).encode())


def _needed(root: Path, release: str, name: str) -> list[Path]:
    words = ["modprobe", "-d", root, "-S", release, "--show-depends", name]
    told = subprocess.run(words, capture_output=True, text=True, check=False, env=_env()).stdout
    return [Path(line.split()[1]) for line in told.splitlines() if line.startswith("insmod ")]


def _plain(file: Path) -> str:
    return file.name.partition(".")[0] + ".ko"


def _unpacked(file: Path) -> bytes:
    match file.suffix:
        case ".xz":
            return lzma.decompress(file.read_bytes())
        case ".zst":
            return subprocess.check_output(["zstd", "-qdc", file])
    return file.read_bytes()


def _env() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
