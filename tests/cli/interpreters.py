"""Interpreters that are not what they seem, put first in PATH."""

import os
import shutil
import sys
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
