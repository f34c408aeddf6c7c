"""The hostile scenes use the overlay lab, and storms: a forked child that repeats one step until the block ends."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.overlay import kernel
from tests.overlay.conftest import lab, mapper

__all__ = ["lab", "mapper", "storm", "until"]


@pytest.fixture
def base(lab: Path) -> Iterator[Path]:
    """An empty tmpfs for one scene; what was mounted below goes with it."""
    where = Path(tempfile.mkdtemp(dir=lab))
    with kernel.mounted("hostile", where, "tmpfs"):
        yield where


@contextmanager
def storm(step: Callable[[], object]) -> Iterator[int]:
    """Repeat *step* in a child; give its pid. A storm that died by itself fails the test."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            step()
            os.write(writer, b".")
            while True:
                step()
        os._exit(1)
    try:
        assert os.read(reader, 1) == b"."
        yield child
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the storm itself failed"
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Poll until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "never became true"
