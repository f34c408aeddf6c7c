"""Packages in tables and in JSON: what dpkg says of this machine's own files, told to root and to nobody."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mapsd.model.packages import Brought, Distribution, Package
from mapsd.views.columns import OF_PACKAGES, PACKAGES, Row, text
from mapsd.views.render import as_json as rendered
from tests.cli.answers import mapping, process
from tests.cli.command import CHECKOUT, NOBODY, as_json, child, mapped, mapsd, said
from tests.conftest import missing
from tests.schema import validate

SLEEP = shutil.which("sleep") or "/bin/sleep"
PACKAGE = Package("dpkg", "libone1", "1.0", "amd64", Distribution("debian", "12"), "one")
FOUND = [Brought("same", PACKAGE, b"/a"), Brought("same", PACKAGE._replace(kind="rpm", source=None), b"/a", 3),
         Brought("differs", PACKAGE._replace(distribution=Distribution("void", None)), b"/\xff", None, "its size is 1"),
         Brought("unowned", None, b"/a"), Brought("unknown", None, None, None, "why", ("CAP_SYS_ADMIN",)),
         Brought("unknown", Package("python", "x", "1"), b"/a", 1, "no digest")]


def dpkg(*words: str) -> str:
    if shutil.which("dpkg-query") is None:
        missing("packages", "dpkg is not installed")
    return subprocess.run(["dpkg-query", *words], capture_output=True, text=True, check=False).stdout


def told(pid: int, *prefix: str) -> dict[str, list[str]]:
    """Return what is said of each file that a process maps: name, version and state of the package."""
    done = mapsd(pid, "--files", "-n0", "-o", "USER_PATH,PACKAGE,PACKAGE_VERSION,PACKAGE_STATE", prefix=list(prefix))
    assert said(done) == (0, "")
    values = done.stdout.decode().split("\0")[:-1]
    return {values[at]: values[at + 1:at + 4] for at in range(0, len(values), 4)}


def installed(path: str) -> list[str]:
    """Return the name and the version of a file's package, as dpkg has them."""
    # The lists may have the name from before /bin and /usr/bin were one directory.
    name = dpkg("--search", path, path.removeprefix("/usr")).partition(":")[0]
    return [name, dpkg("--show", "-f", "${Version}\n", name).split("\n")[0]]


def test_what_a_process_maps_is_of_the_package_that_dpkg_names():
    with child(lambda: mapped(SLEEP)) as pid:
        found = told(pid)
    path = str(Path(SLEEP).resolve())
    assert found[path] == [*installed(path), "same"]


def test_nobody_is_told_the_same_of_a_process_of_their_own():
    nobody = subprocess.Popen([*NOBODY, SLEEP, "100"])
    try:
        while Path(f"/proc/{nobody.pid}/exe").resolve() != Path(SLEEP).resolve():
            pass
        everyone, theirs = told(nobody.pid), told(nobody.pid, *NOBODY)
    except PermissionError:
        missing("root", "only root becomes nobody")
    finally:
        nobody.kill()
        nobody.wait()
    assert theirs == everyone
    assert theirs[str(Path(SLEEP).resolve())][2] == "same"


def test_json_has_packages_where_they_are_asked_for_only():
    with child(lambda: mapped(SLEEP)) as pid:
        with_packages, without = as_json(pid, "--packages"), as_json(pid)
    assert all("package" not in one for one in without["mappings"])
    assert {one["kind"] for one in with_packages["mappings"] if one["package"] is not None} == {"file"}
    assert all("package" in one for one in with_packages["mappings"])
    found = next(one["package"] for one in with_packages["mappings"] if one["user_path"] == str(Path(SLEEP).resolve()))
    assert [found["name"], found["version"], found["state"]] == [*installed(found["path"]), "same"]


@pytest.mark.parametrize("found", FOUND)
def test_every_finding_is_in_the_contracts_words(found):
    answer = process(mapping(1, b"/a")._replace(package=found), mapping(2, b"[heap]", None))
    first, second = validate(rendered(answer._replace(packages=True)))["mappings"]
    assert first["package"]["state"] == found.state
    assert second["package"] is None


def cells(found: Brought | None) -> list[str]:
    of = process(mapping(1, b"/a")._replace(package=found))
    row = Row(of.process, of.mappings[0], of.mappings)
    return [text(column, row) for column in OF_PACKAGES]


def test_a_finding_has_its_columns():
    assert cells(FOUND[0]) == ["libone1", "1.0", "amd64", "dpkg", "one", "debian-12", "same", "-"]
    assert cells(FOUND[1])[4] == "-"
    assert cells(FOUND[2])[5:] == ["void", "differs", "its size is 1"]
    assert cells(FOUND[4]) == ["-"] * 6 + ["unknown", "why"]
    assert cells(None) == ["-"] * 8


def test_packages_are_more_columns_of_a_table():
    with child(lambda: mapped(SLEEP)) as pid:
        heading, plain = (mapsd(pid, *words).stdout.decode().splitlines()[0].split() for words in (["--packages"], []))
    assert heading == [*plain, *PACKAGES]


def test_the_text_of_maps_has_no_packages():
    assert said(mapsd("self", "--packages", "--format=proc")) == (2, "mapsd: the text of maps has no packages\n")


def test_the_page_counts_who_has_which_version():
    page = (CHECKOUT / "docs/packages.md").read_text()
    shown = page[page.index("```sh\n") + 6:].partition("```")[0].splitlines()
    assert len(shown) == 2
    path = str(Path(SLEEP).resolve())
    with child(lambda: mapped(SLEEP)) as one, child(lambda: mapped(SLEEP)) as other:
        command = shown[1].replace("--all", f"{one} {other}")
        done = subprocess.run(["sh", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    counted = [line.split() for line in done.stdout.splitlines()]
    assert ["2", *installed(path), "same"] in counted
    assert "--all" in shown[0]
