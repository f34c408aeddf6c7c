"""The units as systemd reads them: how exposed the service is, and what docs/sandbox.md says of each line."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing

CHECKOUT = Path(__file__).resolve().parents[2]
UNITS = CHECKOUT / "deploy/systemd"
DOCUMENT = (CHECKOUT / "docs/sandbox.md").read_text()
DROP_INS = {"mapsd.service": (), "with full-proof.conf": ("full-proof.conf",)}
OTHERS = {"Description", "Documentation", "Requires", "After", "Type", "ExecStart", "ExecReload", "WantedBy", "Also"}


def lines(name: str) -> dict[str, str]:
    """Return the settings of a unit; what stands on several lines is joined."""
    found: dict[str, str] = {}
    for line in (UNITS / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key] = f"{found.get(key, '')} {value}".strip()
    return found


def exposure(where: Path, *drop_ins: str) -> float:
    """Return what systemd-analyze security says of the unit with these drop-ins."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd", "needs systemd-analyze (systemd)")
    system = where / "etc/systemd/system"
    (system / "mapsd.service.d").mkdir(parents=True)
    for name in ("mapsd.service", "mapsd.socket"):
        shutil.copy(UNITS / name, system)
    for name in drop_ins:
        shutil.copy(UNITS / name, system / "mapsd.service.d")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--root={where}", "mapsd.service"],
                          capture_output=True, text=True, check=False)
    said = re.search(r"exposure level for mapsd\.service: ([0-9.]+)", done.stdout)
    assert said, done
    return float(said[1])


def version() -> int:
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[1])


def test_the_service_is_hardly_exposed(tmp_path):
    assert exposure(tmp_path) <= 2.0


@pytest.mark.parametrize("name", DROP_INS)
def test_the_document_says_how_exposed_it_is(tmp_path, name):
    found = exposure(tmp_path, *DROP_INS[name])
    said = re.search(rf"\| {re.escape(name)} \| ([0-9.]+) \|", DOCUMENT.replace("`", ""))
    assert said
    # Others weigh some lines otherwise.
    assert version() != 252 or found == float(said[1])


def test_every_line_of_the_service_is_explained():
    keys = {key for key in (*lines("mapsd.service"), *lines("mapsd.socket"), *lines("full-proof.conf"))
            if key not in OTHERS}
    assert {key for key in keys if f"`{key}" not in DOCUMENT} == set()


def test_what_is_left_out_is_left_out():
    told = set(re.findall(r"^\| `(\w+)=?[^`]*` \|", DOCUMENT.partition("## What is left out")[2], re.MULTILINE))
    assert told
    assert told & set(lines("mapsd.service")) == set()


def test_ambient_and_bounding_capabilities_are_the_same():
    for name in ("mapsd.service", "full-proof.conf"):
        assert lines(name)["AmbientCapabilities"] == lines(name)["CapabilityBoundingSet"]


def test_every_capability_is_explained():
    told = set(re.findall(r"^\| `(CAP_\w+)`", DOCUMENT, re.MULTILINE))
    held = " ".join(lines(name)["AmbientCapabilities"] for name in ("mapsd.service", "full-proof.conf"))
    assert told == set(held.split())


def test_only_the_drop_in_administers_the_system():
    assert "CAP_SYS_ADMIN" not in lines("mapsd.service")["CapabilityBoundingSet"]
    assert lines("full-proof.conf")["CapabilityBoundingSet"] == "CAP_SYS_ADMIN"


def test_the_group_of_the_socket_is_the_daemons():
    user = (UNITS / "mapsd.sysusers").read_text()
    assert lines("mapsd.socket")["SocketGroup"] == lines("mapsd.service")["Group"] == "mapsd"
    assert re.search(r"^u mapsd ", user, re.MULTILINE)
