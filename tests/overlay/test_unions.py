"""Other servers that merge or pass on directories: their files are read in ways of their own, and none is named."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.overlay.conftest import asked
from tests.overlay.unions import Mapped, directories, served, text_of

SERVERS = {
    "mergerfs": lambda one, two: ["mergerfs", "-o", "allow_other", f"{one}:{two}"],
    "unionfs": lambda one, two: ["unionfs", "-o", "cow,allow_other", f"{one}=RW:{two}=RO"],
    "bindfs": lambda one, _: ["bindfs", one],
}


@contextmanager
def union(base: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """Give the first directory and where it is shown, with the file `a` that has bytes of its own."""
    one, two, merged = directories(base, "b1", "b2", "m")
    for layer in (one, two):
        (layer / "a").write_bytes(text_of(str(layer)))
    with served(SERVERS[name](one, two), merged, "unions"):
        yield one, merged


def forgotten() -> None:
    """Wait until the kernel asks for names and attributes again: after a second, these servers say."""
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        time.sleep(0.1)


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(text_of("another"))
    path.with_name("new").rename(path)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("happens", [lambda _: None, replaced, lambda path: path.write_bytes(text_of("another"))],
                         ids=["nothing", "replaced", "written"])
def test_current_is_what_shares_its_pages(base, name, happens):
    with union(base, name) as (layer, merged), Mapped(merged / "a", 0, 7) as mapped:
        happens(layer / "a")
        forgotten()
        found = asked(os.getpid())[mapped.address]
        assert found["backing"] is None
        assert "is served from other files" in found["reason"]
        assert found["state"] in {"current", "unknown"}
        if found["state"] == "current":
            with Mapped(merged / "a", 0, 7, 30) as other:
                assert other.whole() == mapped.whole()


@pytest.mark.parametrize("name", SERVERS)
def test_a_file_that_is_made_anew_is_never_current(base, name):
    with union(base, name) as (_, merged), Mapped(merged / "a", 0) as mapped:
        (merged / "a").unlink()
        (merged / "a").write_bytes(text_of("anew"))
        assert asked(os.getpid())[mapped.address]["state"] in {"replaced", "deleted", "unknown"}
