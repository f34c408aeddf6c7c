"""The interpreters of this machine, and some that are not what they seem, put first in PATH."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def real(where: Path) -> Path:
    """Copy this interpreter, so that it is there also where /usr/bin's is hidden."""
    where.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(os.path.realpath(sys.executable), where / "real"))


def old(where: Path) -> Path:
    """Make a python3 that says it is 3.9, called as bin/mapsd calls it: -S -I -c CODE …."""
    body = "import sys\nsys.version_info = (3, 9, 18)\n$code"
    return program(where / "python3", f'code=$4; shift 4\nexec {real(where)} -S -I -c "{body}" "$@"')


def tracing(where: Path) -> Path:
    """Make a python3 that names every module on stderr as it is imported."""
    return program(where / "python3", f'exec {real(where)} -X importtime "$@"')


def newest() -> Path:
    """Return the one with the highest version."""
    return list(every().values())[-1]


def every(*, old: bool = False) -> dict[str, Path]:
    """Return an interpreter of each version from 3.11 on that this machine has (*old*: before), by version.

    Those of the system come first, then PATH's, the one of the tests and pyenv's.
    """
    found: dict[tuple[int, int], Path] = {}
    folders = ["/usr/bin", "/usr/local/bin", *os.get_exec_path(), os.path.dirname(os.path.realpath(sys.executable)),
               *sorted(map(str, Path(os.path.expanduser("~/.pyenv/versions")).glob("*/bin")), reverse=True)]
    names = (path for folder in folders for path in sorted(Path(folder).glob("python[23]*"))
             if re.fullmatch(r"python\d(\.\d+)?", path.name))
    for path in dict.fromkeys(Path(os.path.realpath(name)) for name in names):
        version = _version(path)
        if version is not None and (version < (3, 11)) == old:
            found.setdefault(version, path)
    return {f"{major}.{minor}": found[major, minor] for major, minor in sorted(found)}


@cache
def _version(path: Path) -> tuple[int, int] | None:
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    try:
        with path.open("rb") as file:
            # pyenv has a script for each version in PATH, that works for the chosen one only.
            if file.read(4) != b"\x7fELF":
                return None
        done = subprocess.run([path, "-S", "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None  # it does not run here
    major, minor = done.stdout.split()
    return int(major), int(minor)
