"""The overlay scenes: a private mount namespace, a mapper, and answers that are checked in every form."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.overlay import census, kernel
from tests.schema import answered

# Each module that imports the fixture has one of its own. What was loaded in a first namespace is detached in a second.
_PRIVATE = set[int]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how much was answered, scene by scene."""
    terminalreporter.write_line(census.report())


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory on a tmpfs of its own, in a mount namespace that only this run sees."""
    if os.geteuid() != 0:
        missing("overlay", "needs root to mount overlays")
    try:
        if os.getpid() not in _PRIVATE:
            kernel.private_namespace()
    except OSError as error:
        missing("overlay", f"no private mount namespace: {error}")
    _PRIVATE.add(os.getpid())
    base = tmp_path_factory.mktemp("lab")
    kernel.mount("lab", base, "tmpfs")
    return base


@pytest.fixture(scope="session")
def mapper(lab: Path) -> Path:
    """The compiled mapper."""
    if shutil.which("gcc") is None:
        missing("overlay", "needs gcc for the mapper")
    program = lab / "mapper"
    source = Path(__file__).with_name("mapper.c")
    flags = ["-O1", "-static", "-pthread", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
    return program


@pytest.fixture
def base(lab: Path, request: pytest.FixtureRequest) -> Path:
    """An empty directory for one scene."""
    where = lab / "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    where.mkdir()
    return where


def asked(pid: int, proof: str = "auto") -> dict[int, dict]:
    """Return mapsd's answer by start address, as JSON that keeps the contract."""
    answer = answered(pid, proof)
    return {int(mapping["start"], 16): mapping for mapping in answer["mappings"]}
