"""The archive that every kernel starts with: this machine's interpreter and the programs that the scenes run."""

import compileall
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.kernels.archive import Archive, libraries

GUEST = Path(__file__).with_name("guest")
PROGRAMS = ("mke2fs", "mkfs.ext4", "mkfs.btrfs", "btrfs", "mksquashfs", "mkfs.erofs", "mount", "umount", "setpriv",
            "unshare", "losetup")
# What runs the scenes, and what that needs.
DISTRIBUTIONS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "hypothesis", "sortedcontainers",
                 "jsonschema-rs")
PACKAGES = Path("/packages")
_DIRECTORIES = ("proc", "sys", "dev", "tmp", "run", "mnt", "root", "newroot", "modules", "work")
_LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "tkinter", "lib2to3", "ensurepip", "turtledemo", "pydoc_data",
             "site-packages", "dist-packages", "distutils"}
_FILES = {"/etc/passwd": b"root:x:0:0::/:/bin/sh\n", "/etc/group": b"root:x:0:\n"}


def base(cache: Path) -> Path:
    """Return the archive; it is made again when a file that is in it has changed."""
    files = [*_library(), *_packages().values(), *map(_found, PROGRAMS), _found("busybox"), GUEST / "init",
             Path(__file__), Path(__file__).with_name("archive.py"), interpreter()]
    told = "".join(f"{path} {os.stat(path).st_size} {os.stat(path).st_mtime_ns}\n" for path in sorted(files))
    made = cache / f"base-{hashlib.sha256(told.encode()).hexdigest()[:16]}.cpio"
    if not made.exists():
        _make(made)
    os.utime(made)
    return made


def interpreter() -> Path:
    """Return the program that runs this test, outside of its environment."""
    return Path(os.path.realpath(sys.executable))


def compiled(archive: Archive, name: Path, files: dict[Path, Path]) -> None:
    """Add Python's files below *name*, each with what it is compiled to: an emulated processor is slow in that."""
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        for inside, path in files.items():
            (top / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, top / inside)
        compileall.compile_dir(top, quiet=2, stripdir=str(top), prependdir=str(name), maxlevels=20,
                               invalidation_mode=compileall.py_compile.PycInvalidationMode.UNCHECKED_HASH)
        archive.tree(top, name, filter(Path.is_file, top.rglob("*")))


def _make(made: Path) -> None:
    with Archive(made) as archive:
        archive.copy(GUEST / "init", "/init")
        for name in _DIRECTORIES:
            archive.directory(f"/{name}")
        for name, content in _FILES.items():
            archive.write(name, content)
        _add_programs(archive)
        home = Path(sysconfig.get_path("stdlib"))
        compiled(archive, home, {path.relative_to(home): path for path in _library()})
        compiled(archive, PACKAGES, _packages())
        linked = [path for path in (*_library(), *_packages().values()) if path.suffix == ".so"]
        for library in {one for path in linked for one in libraries(path)}:
            archive.copy(library)


def _add_programs(archive: Archive) -> None:
    archive.program(interpreter())
    archive.link("/usr/bin/python3", interpreter())
    for path in map(_found, PROGRAMS):
        archive.program(path)
        archive.link(f"/bin/{path.name}", path)
    busybox = _found("busybox")
    archive.copy(busybox, "/bin/busybox")
    for applet in subprocess.check_output([busybox, "--list"], text=True).split():
        archive.link(f"/bin/{applet}", "busybox")


def _found(name: str) -> Path:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        raise FileNotFoundError(name)
    return Path(path)


def _library() -> list[Path]:
    """Return the files of the standard library."""
    top = Path(sysconfig.get_path("stdlib"))
    return [path for path in _files(top) if not path.name.endswith(".a") and "config-3" not in str(path)]


def _files(top: Path) -> Iterable[Path]:
    for directory, below, names in os.walk(top):
        below[:] = [name for name in below if name not in _LEFT_OUT]
        yield from (Path(directory) / name for name in names)


def _packages() -> dict[Path, Path]:
    """Return the files of what is installed beside it, by their name there."""
    found = [file for name in DISTRIBUTIONS for file in importlib.metadata.files(name) or ()]
    return {Path(file): Path(file.locate()) for file in found
            if ".." not in file.parts and "__pycache__" not in file.parts and Path(file.locate()).is_file()}
