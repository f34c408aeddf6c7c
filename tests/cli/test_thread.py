"""`--thread`: the mappings are the process's, what their names open is the thread's."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import as_json, child, exact, mapped
from tests.overlay import kernel
from tests.overlay.conftest import lab

__all__ = ["lab"]


@contextmanager
def scene(base: Path) -> Iterator[tuple[int, int]]:
    """Give a process and its thread, which sees another file at /f and a filesystem of its own at /t."""
    for name in ("f", "g"):
        (base / name).write_bytes(name.encode() * 4096)
    (base / "t").mkdir()
    reader, writer = os.pipe()

    def apart(started: threading.Event) -> None:
        kernel.private_namespace()
        kernel.mount(base / "g", base / "f", None, kernel.MS_BIND)
        kernel.mount("own", base / "t", "tmpfs")
        (base / "t/h").write_bytes(b"h" * 4096)
        held.extend(mapped(base / "f", base / "t/h"))
        os.write(writer, threading.get_native_id().to_bytes(4, "little"))
        started.set()
        threading.Event().wait()

    def body() -> object:
        held.extend(mapped(base / "f"))
        started = threading.Event()
        threading.Thread(target=apart, args=(started,), daemon=True).start()
        assert started.wait(10)
        return held
    held: list[object] = []
    with child(body) as pid:
        yield pid, int.from_bytes(os.read(reader, 4), "little")
    os.close(reader)
    os.close(writer)


@pytest.fixture
def threaded(lab):
    base = Path(tempfile.mkdtemp(dir=lab))
    with scene(base) as (pid, thread):
        yield base, pid, thread


def told(base: Path, pid: int, *words: object) -> dict[str, list[dict]]:
    """Return the answers by the first byte of what is mapped."""
    found: dict[str, list[dict]] = {}
    for one in as_json(pid, *words)["mappings"]:
        if one["shown"]["path"].startswith(f"{base}/"):
            with open(f"/proc/{pid}/mem", "rb", 0) as memory:
                held = os.pread(memory.fileno(), 1, int(one["start"], 16)).decode()
            found.setdefault(held, []).append(one)
    return found


def test_the_leader_and_a_thread_see_different_files_at_one_name(threaded):
    base, pid, thread = threaded
    leaders, threads = told(base, pid), told(base, pid, "--thread", thread)
    assert set(leaders) == set(threads) == {"f", "g", "h"}
    states = [{held: [one["state"] for one in several] for held, several in seen.items()}
              for seen in (leaders, threads)]
    assert states == [{"f": ["current"], "g": ["unreachable"], "h": ["unreachable"]},
                      {"f": ["unreachable"], "g": ["current"], "h": ["current"]}]
    assert [leaders["f"][0]["user_path"], threads["g"][0]["user_path"], threads["h"][0]["user_path"]] == [
        f"{base}/f", f"{base}/f", f"{base}/t/h"]


def test_a_path_that_opens_is_the_thread_s(threaded):
    base, pid, thread = threaded
    for held, path in (("g", base / "f"), ("h", base / "t/h")):
        [one] = told(base, pid, "--thread", thread)[held]
        assert exact(one, "openable_path") == os.fsencode(f"/proc/{pid}/task/{thread}/root{path}")
        assert Path(one["openable_path"]).read_bytes() == held.encode() * 4096
    [one] = told(base, pid)["f"]
    assert Path(one["openable_path"]).read_bytes() == b"f" * 4096


def test_the_leader_is_a_thread_as_well(threaded):
    base, pid, _ = threaded
    assert told(base, pid, "--thread", pid) == told(base, pid)
