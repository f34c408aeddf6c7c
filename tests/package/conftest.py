"""The shipped forms, made once a run from a copy of the checkout, in a place that every user may enter."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import interpreters
from tests.overlay import kernel
from tests.overlay.conftest import lab, mapper
from tests.package.shipped import Forms, Python

__all__ = ["lab", "mapper"]
_NOT_OURS = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "dist")


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mapsd-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def source(checkout: Path, place: Path) -> Path:
    """A copy of the checkout that shares its environment."""
    copy = place / "source"
    shutil.copytree(checkout, copy, ignore=_NOT_OURS)
    subprocess.run(["chmod", "-R", "u+w,a+rX", copy], check=True)
    (copy / ".venv").symlink_to(sys.prefix)
    return copy


@pytest.fixture(scope="session")
def forms(source: Path, place: Path) -> Forms:
    """The archive, the wheel and the source distribution, built by their commands."""
    return Forms(source, place / "dist").build()


@pytest.fixture(params=interpreters.every().items(), ids=interpreters.every(), scope="session")
def python(request: pytest.FixtureRequest, place: Path, forms: Forms) -> Iterator[Python]:
    """Each interpreter of this machine, where every user can run it."""
    version, program = request.param
    where = place / version
    where.mkdir()
    if os.geteuid() != 0 or _is_for_all(program):
        yield Python(program, where, forms)
        return
    # Mounted elsewhere, since a directory on the way to it is its owner's alone.
    request.getfixturevalue("lab")
    home = program.parent.parent
    with kernel.mounted(home, where / "home", None, kernel.MS_BIND) as shown:
        yield Python(shown / program.relative_to(home), where, forms, shown / "lib")


def _is_for_all(program: Path) -> bool:
    return all(path.stat().st_mode & 1 for path in (program, *program.parents))
