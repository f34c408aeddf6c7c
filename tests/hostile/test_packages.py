"""Databases of packages behind a server that never answers: nobody waits for it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import BOUND, MAPSD, child, mapped
from tests.hostile.servers import silent_server

NAME = "site-packages/one.so"


def told(pid: int, name: bytes) -> dict:
    """Return what is said of a file's package, in time."""
    done = subprocess.run([MAPSD, "lookup", str(pid), "--packages", "--json"], capture_output=True, timeout=BOUND,
                          check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return next(one["package"] for one in json.loads(done.stdout)["mappings"] if one["user_path"] == name.decode())


def put(base: Path, *names: str) -> None:
    for name in names:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(b"x" * 4096)


@pytest.mark.parametrize("served", ["site-packages/one-1.dist-info", "site-packages"])
def test_a_server_in_our_own_root_is_not_waited_for(base: Path, served: str):
    put(base, NAME, "site-packages/one-1.dist-info/METADATA")
    name = os.fsencode(base / NAME)
    with child(lambda: mapped(name)) as pid, silent_server(base / served):
        assert told(pid, name)["state"] in {"unknown", "unowned"}


def test_a_server_in_a_containers_root_is_not_waited_for(base: Path):
    put(base, NAME, "var/lib/dpkg/status")

    def body() -> list:
        os.chroot(base)
        return mapped(f"/{NAME}".encode())
    with child(body) as pid, silent_server(base / "var/lib/dpkg"):
        found = told(pid, f"/{NAME}".encode())
    assert (found["state"], found["name"]) == ("unknown", None)
