"""The last archive: the packed mapsd, the scenes, and which of them to run. Only this one changes with the code."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.kernels.archive import Archive
from tests.kernels.base import PACKAGES, compiled

CHECKOUT = Path(__file__).resolve().parents[2]
INSIDE = Path("/work")
PYZ = INSIDE / "mapsd.pyz"
_TESTS = ("tests/*.py", "tests/overlay/*.py", "tests/cli/*.py", "tests/hostile/*.py", "tests/kernels/guest/*.py",
          "tests/kernels/__init__.py")
_OTHERS = ("docs/schema/*.json", "pyproject.toml")
# What the scenes' fixture compiles was compiled here: gcc itself would be as large as all the rest.
_GCC = """\
#!/bin/sh
# gcc FLAG... -o OUTPUT SOURCE
while [ $# != 2 ]; do shift; done
exec cp /work/mapper "$1"
"""
_RUN = f"cd {INSIDE} && PYTHONPATH={PYZ}:{INSIDE}:{PACKAGES} exec python3 -m tests.kernels.guest\n"


class Scenes(NamedTuple):
    """What pytest is told to run, and what some of it needs that a kernel may lack."""

    arguments: Sequence[str]
    needs: Mapping[str, str]


def work(path: Path, scenes: Scenes) -> None:
    """Write the archive."""
    with tempfile.TemporaryDirectory() as name, Archive(path) as archive:
        scratch = Path(name)
        subprocess.run([sys.executable, CHECKOUT / "bin/build-pyz", scratch / "pyz"], check=True, capture_output=True)
        source = CHECKOUT / "tests/overlay/mapper.c"
        subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", scratch / "mapper", source], check=True)
        archive.copy(scratch / "pyz", PYZ)
        archive.copy(scratch / "mapper", INSIDE / "mapper")
        archive.write("/bin/gcc", _GCC.encode(), program=True)
        archive.write(INSIDE / "run", _RUN.encode())
        archive.write(INSIDE / "scenes.json", json.dumps(scenes._asdict()).encode())
        compiled(archive, INSIDE, {file.relative_to(CHECKOUT): file for file in _listed(_TESTS)})
        for file in _listed(_OTHERS):
            archive.copy(file, INSIDE / file.relative_to(CHECKOUT))


def _listed(patterns: Sequence[str]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(CHECKOUT.glob(pattern))]
