"""The package of the bytes that a process holds: dpkg itself installs and upgrades, in one layer after the other.

Every library says in each page which version it is of, so that the process's memory says which one it holds.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mapsd
from mapsd.answer.observe import observe
from mapsd.answer.packaged import Packaging
from mapsd.answer.reading import Asking
from mapsd.linux.live import Live
from mapsd.model import ProcessAnswer
from mapsd.model.packages import Brought, Distribution, Package
from mapsd.recorder.session import RecordedSession
from mapsd.recorder.written import record
from mapsd.recording.redaction import Pseudonyms
from tests.conftest import missing
from tests.overlay import kernel
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
from tests.overlay.scenes import Scene
from tests.packages.debs import Root

LIBRARY, PLAIN, SILENT = "usr/lib/libone.so.1", "usr/lib/libplain.so.1", "usr/lib/libsilent.so.1"


def content(name: str, version: str) -> str:
    return f"{name} {version}\n".ljust(64) * 64


class Container:
    """A root in layers: *one* 1.0 in the lowest, upgraded to 1.1 in the next one; a process maps its libraries."""

    def __init__(self, scene: Scene, root: Root) -> None:
        self.scene, self.root = scene, root

    def upgrade(self, version: str, name: str = "one") -> None:
        """Let dpkg install a version in the container that runs."""
        install(self.root, name, version)

    def map(self, name: str) -> int:
        return self.scene.target.map(Path("/" + name))

    def held(self, address: int) -> str:
        """Return the version that the process has in memory."""
        return self.scene.target.memory(address).split()[1].decode()

    def asked(self) -> ProcessAnswer:
        with mapsd.Session() as session:
            return session.lookup(self.scene.target.pid, packages=True)

    def package(self, address: int) -> tuple[str, Brought]:
        """Return the state of a mapping, and its package."""
        one = next(one for one in self.asked().mappings if one.vma.start == address)
        assert one.package is not None
        assert one.state is not None
        return one.state, one.package


def install(root: Root, name: str, version: str) -> None:
    path = {"one": LIBRARY, "plain": PLAIN, "silent": SILENT}[name]
    root.install(name, {path: content(name, version)}, version=version, fields="Source: origin (0.9)\n")
    if name == "silent":
        # Some packages are made without digests.
        (root.path / "var/lib/dpkg/info/silent.md5sums").unlink(missing_ok=True)


def stacked(base: Path, *layers: Path) -> str:
    return f"lowerdir={':'.join(map(str, layers[1:]))},upperdir={layers[0]},workdir={base}/work"


@contextmanager
def container(base: Path, mapper: Path, *, more: str = "") -> Iterator[Container]:
    root = Root(base / "first")
    for name in ("one", "plain", "silent"):
        install(root, name, "1.0")
    lowest, second, step = root.path, base / "second", base / "step"
    for made in (second, step, base / "work", lowest / "proc"):
        made.mkdir()
    with kernel.mounted("overlay", step, "overlay", data=stacked(base, second, lowest) + more):
        root.path = step
        install(root, "one", "1.1")
        install(root, "silent", "1.1")
    with Scene("packages", base, mapper) as scene:
        scene.upper(scene.base / "upper")
        scene.lower(second)
        scene.lower(lowest)
        scene.mount(more)
        scene.start()
        scene.contain()
        root.path = scene.merged
        yield Container(scene, root)


@pytest.fixture
def web(base: Path, mapper: Path) -> Iterator[Container]:
    if shutil.which("dpkg-deb") is None:
        missing("packages", "dpkg is not installed")
    with container(base, mapper) as found:
        yield found


def test_what_names_open_now_is_the_packages_in_the_root(web: Container):
    library, plain, silent = web.map(LIBRARY), web.map(PLAIN), web.map(SILENT)
    state, found = web.package(library)
    assert (state, found.state, found.layer, found.path) == ("current", "same", None, f"/{LIBRARY}".encode())
    assert found.package is not None
    assert found == found_as("same", None, web, library)
    assert web.held(library) == "1.1"
    assert web.package(plain)[1].package.version == web.held(plain) == "1.0"
    undecided = web.package(silent)[1]
    assert (undecided.state, undecided.package.version) == ("unknown", web.held(silent))
    assert "no digest" in undecided.reason


def test_a_library_that_was_upgraded_is_of_the_package_of_its_layers_time(web: Container):
    library, plain, silent = web.map(LIBRARY), web.map(PLAIN), web.map(SILENT)
    for name in ("one", "plain", "silent"):
        web.upgrade("2.0", name)
    for address, layer, version in ((library, 1, "1.1"), (plain, 2, "1.0")):
        state, found = web.package(address)
        assert (state, found.state, found.layer) == ("replaced", "same", layer), found
        assert found.package.version == version == web.held(address)
    # It has no digest, but the database of the layer's time has one version only.
    found = web.package(silent)[1]
    assert (found.state, found.package.version, found.layer) == ("unknown", web.held(silent), 1)
    assert web.package(web.map(LIBRARY))[1].package.version == "2.0"


def test_what_was_installed_and_upgraded_in_the_running_container_is_of_nobody_that_is_known(web: Container):
    web.upgrade("2.0")
    library = web.map(LIBRARY)
    web.upgrade("3.0")
    assert web.held(library) == "2.0"
    state, found = web.package(library)
    assert (state, found.state, found.package) == ("replaced", "unknown", None)


def test_a_file_that_is_no_longer_what_was_installed_differs(web: Container):
    library = web.map(LIBRARY)
    (web.scene.merged / LIBRARY).write_text(content("one", "0.0"))
    state, before = web.package(library)
    assert (state, before.state, before.layer, before.package.version) == ("copied-up", "same", 1, "1.1")
    _, after = web.package(web.map(LIBRARY))
    assert (after.state, after.layer, after.package.version) == ("differs", None, "1.1")
    assert after.reason.startswith("its md5 is ")


def test_a_name_that_is_gone_is_looked_up_in_its_layers_time(web: Container):
    library = web.map(LIBRARY)
    web.root.dpkg("--purge", "one")
    state, found = web.package(library)
    assert (state, found.state, found.layer, found.package.version) == ("deleted", "same", 1, "1.1")


def test_databases_that_a_later_layer_removed_are_those_of_the_layer(web: Container):
    library, late = web.map(LIBRARY), web.scene.merged / "usr/lib/late"
    shutil.rmtree(web.scene.merged / "var/lib/dpkg")
    late.write_text(content("late", "0"))
    state, found = web.package(library)
    assert (state, found.state, found.layer, found.package.version) == ("current", "same", 1, "1.1")
    _, found = web.package(web.map("usr/lib/late"))
    assert (found.state, found.package, found.reason) == ("unowned", None, "there is no package database")


def test_a_file_of_nobody_is_unowned_and_what_is_no_file_has_no_package(web: Container):
    (web.scene.merged / "usr/lib/own.so").write_text(content("own", "1"))
    own = web.map("usr/lib/own.so")
    _, found = web.package(own)
    assert (found.state, found.package, found.reason) == ("unowned", None, None)
    answer = web.asked()
    assert answer.packages
    assert {one.kind for one in answer.mappings if one.package is None} >= {"stack", "heap"}
    assert all(one.package is not None for one in answer.mappings if one.kind == "file")


@pytest.mark.parametrize("hostile", ["fifo", "device", "huge", "torn", "link"])
def test_what_is_no_database_is_unknown(web: Container, hostile):
    library, status = web.map(LIBRARY), web.scene.merged / "var/lib/dpkg/status"
    status.unlink()
    if hostile == "fifo":
        os.mkfifo(status)
    elif hostile == "device":
        os.mknod(status, 0o20666, os.makedev(1, 5))
    elif hostile == "huge":
        status.touch()
        os.truncate(status, 1 << 40)
    elif hostile == "torn":
        status.write_bytes(b"Package: one\nVersion")
    else:
        status.symlink_to("/proc/1/root/var/lib/dpkg/status")
    _, found = web.package(library)
    assert (found.state, found.package) == ("unknown", None)
    assert found.reason


def test_a_metacopy_is_of_the_package_that_has_its_data(base: Path, mapper: Path):
    with container(base, mapper, more=",metacopy=on,redirect_dir=on") as web:
        library = web.map(LIBRARY)
        (web.scene.merged / LIBRARY).chmod(0o600)
        assert web.package(library)[1] == found_as("same", None, web, library)
        web.upgrade("2.0")
        assert web.package(library)[1] == found_as("same", 1, web, library)


def found_as(state: str, layer: int | None, web: Container, library: int) -> Brought:
    """Return the package of what a process holds of the library."""
    made = Package("dpkg", "one", web.held(library), "all", Distribution("debian", "12"), "origin", "0.9")
    return Brought(state, made, f"/{LIBRARY}".encode(), layer)


def test_an_upgrade_while_the_databases_are_read_is_not_of_the_bytes_that_were_held(web: Container):
    library, live = web.map(LIBRARY), Live()
    asking, upgrades = Asking("auto", live), ["2.0", "3.0"]

    def again() -> ProcessAnswer:
        if upgrades:
            web.upgrade(upgrades.pop(0))
        return observe(web.scene.target.pid, None, asking)
    answer = Packaging(live).packaged(observe(web.scene.target.pid, None, asking), None, again)
    live.iterator.close()
    assert not upgrades
    assert next(one.package for one in answer.mappings if one.vma.start == library) == found_as("same", 1, web, library)


def test_what_changes_each_time_is_unknown(web: Container):
    library, live = web.map(LIBRARY), Live()
    asking, names = Asking("auto", live), [LIBRARY]

    def again() -> ProcessAnswer:
        names.append(f"{LIBRARY}.{len(names)}")
        (web.scene.merged / names[-2]).rename(web.scene.merged / names[-1])
        return observe(web.scene.target.pid, None, asking)
    answer = Packaging(live).packaged(observe(web.scene.target.pid, None, asking), None, again)
    live.iterator.close()
    package = next(one.package for one in answer.mappings if one.vma.start == library)
    assert package == Brought("unknown", reason=package.reason)
    assert len(names) == 4


def test_a_recording_has_the_packages_of_each_layers_time(web: Container, tmp_path: Path):
    pid = web.scene.target.pid
    libraries = [web.map(LIBRARY), web.map(PLAIN), web.map(SILENT)]
    for name in ("one", "silent"):
        web.upgrade("2.0", name)
    (web.scene.merged / PLAIN).write_text(content("plain", "0.0"))
    libraries += [web.map(LIBRARY), web.map(PLAIN)]
    live = {one.vma.start: one.package for one in web.asked().mappings}
    assert [(live[one].state, live[one].layer) for one in libraries] == [
        ("same", 1), ("same", 2), ("unknown", 1), ("same", None), ("differs", None)]
    for kind in (None, Pseudonyms):
        path = tmp_path / f"{kind}"
        path.write_bytes(b"".join(record([pid], kind, packages=True).lines))
        answer = RecordedSession(os.fsencode(path)).lookup(pid, packages=True)
        found = {one.vma.start: one.package for one in answer.mappings}
        if kind is None:
            assert found == live
            continue
        told = [(one.state, one.layer, one.package is None) if one else None for one in found.values()]
        assert told == [(one.state, one.layer, one.package is None) if one else None for one in live.values()]
        assert b"libone" not in path.read_bytes()


def versions(pid: int) -> dict[str, list[str]]:
    """Return the state and the version of each package, by start address."""
    with mapsd.Session() as session:
        answer = session.lookup(pid, packages=True)
    return {str(one.vma.start): [one.package.state, one.package.package.version if one.package.package else ""]
            for one in answer.mappings if one.package is not None}


@pytest.mark.parametrize("lacking", LACKING)
def test_whoever_sees_less_is_told_nothing_wrong(web: Container, lacking):
    pid, libraries = web.scene.target.pid, [web.map(LIBRARY), web.map(PLAIN)]
    web.upgrade("2.0")
    web.upgrade("2.0", "plain")
    libraries.append(web.map(LIBRARY))
    every = versions(pid)
    assert [every[str(one)] for one in libraries] == [["same", web.held(one)] for one in libraries]
    found = told(lambda: drop(LACKING[lacking]) or versions(pid))
    assert found.keys() == every.keys()
    for one in libraries:
        assert found[str(one)] in (["same", web.held(one)], ["unknown", web.held(one)], ["unknown", ""])


def test_a_hostile_container_does_not_disturb_another(base: Path, mapper: Path):
    (base / "a").mkdir()
    (base / "b").mkdir()
    with container(base / "a", mapper) as hostile, container(base / "b", mapper) as web, mapsd.Session() as session:
        libraries = [one.map(LIBRARY) for one in (hostile, web)]
        shutil.rmtree(hostile.scene.merged / "var/lib/dpkg/info")
        os.mkfifo(hostile.scene.merged / "var/lib/dpkg/info")
        answers = [session.lookup(one.scene.target.pid, packages=True) for one in (hostile, web)]
        found = [next(one.package for one in answer.mappings if one.vma.start == library)
                 for answer, library in zip(answers, libraries, strict=True)]
        assert (found[0].state, found[0].package) == ("unknown", None)
        assert found[1] == found_as("same", None, web, libraries[1])
