"""Names in real roots of dpkg, compared with what dpkg says, and in databases that dpkg would not write."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mapsd.model import Refused
from mapsd.model.packages import Distribution, NotOwned, Owned, Package
from mapsd.packages import dpkgfiles
from mapsd.packages.databases import Databases
from tests.conftest import missing
from tests.packages.asking import is_same, names, record, records, refused
from tests.packages.debs import Root, debian
from tests.packages.trees import Denied, Directory, Files, Link

__all__ = ["debian"]
DEBIAN = Distribution("debian", "12")


def test_a_file_is_found_by_the_name_that_the_process_has_for_it(debian: Root):
    debian.install("libone", {"lib/libone.so.1": "one"}, "Multi-Arch: foreign\nSource: one (0.9)\n", "1:1.0-2+b1")
    assert debian.searched("/lib/libone.so.1") == {"libone"}
    found = record(Directory(debian.path), "/usr/lib/libone.so.1")
    assert found.package == Package("dpkg", "libone", "1:1.0-2+b1", "all", DEBIAN, "one", "0.9")
    assert (found.path, found.listed, found.size, found.configuration) == (b"/lib/libone.so.1", True, None, False)
    assert is_same(found, b"one")
    assert not is_same(found, b"two")


def test_a_name_that_no_list_has_is_not_owned(debian: Root):
    debian.install("one", {"usr/lib/one": "1"})
    databases = Databases(Directory(debian.path))
    for path in (b"/usr/lib/on", b"/usr/lib/one2", b"/usr/lib/x/one", b"/one", b"/usr/lib/one\n"):
        assert databases.owner(path) == NotOwned(("dpkg",))


def test_the_list_of_an_architecture_is_read(debian: Root):
    native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    debian.install("libtwo", {"usr/lib/libtwo.so": "2"}, "Multi-Arch: same\n", architecture=native)
    assert (debian.path / f"var/lib/dpkg/info/libtwo:{native}.list").exists()
    found = record(Directory(debian.path), "/usr/lib/libtwo.so")
    assert (found.package.name, found.package.architecture) == ("libtwo", native)
    assert is_same(found, b"2")


def test_a_file_that_several_architectures_share_is_all_theirs(debian: Root):
    debian.dpkg("--add-architecture", "i386")
    debian.dpkg("--add-architecture", "amd64")
    for architecture in ("i386", "amd64"):
        debian.install("libtwo", {"usr/share/two": "2"}, "Multi-Arch: same\n", architecture=architecture, force="all")
    found = records(Directory(debian.path), "/usr/share/two")
    assert {one.package.architecture for one in found} == {"i386", "amd64"}
    assert {one.package.name for one in found} == {"libtwo"}


def test_a_file_that_was_replaced_is_the_new_packages(debian: Root):
    debian.install("old", {"usr/lib/shared": "old", "usr/lib/own": "o"})
    debian.install("new", {"usr/lib/shared": "new"}, "Replaces: old\n")
    assert debian.searched("/usr/lib/shared") == {"new"}
    found = record(Directory(debian.path), "/usr/lib/shared")
    assert found.package.name == "new"
    assert is_same(found, b"new")
    assert b"usr/lib/shared" in (debian.path / "var/lib/dpkg/info/old.md5sums").read_bytes()


def test_a_file_that_was_forced_over_another_packages_is_the_new_packages(debian: Root):
    debian.install("first", {"usr/lib/shared": "first"})
    debian.install("second", {"usr/lib/shared": "second"}, force="overwrite")
    assert debian.searched("/usr/lib/shared") == {"second"}
    assert names(Directory(debian.path), "/usr/lib/shared") == ["second"]


def test_two_names_of_one_file_are_both_packages(debian: Root):
    debian.install("first", {"lib/shared": "first"})
    debian.install("second", {"usr/lib/shared": "second"})
    found = {one.package.name: is_same(one, b"second") for one in records(Directory(debian.path), "/usr/lib/shared")}
    assert found == {"first": False, "second": True}


def test_a_diverted_file_is_found_where_it_went(debian: Root):
    debian.install("plain", {"usr/bin/tool": "plain"})
    debian.install("diverter", {"usr/share/x": "x"})
    debian.divert("--package", "diverter", "--rename", "--divert", "/usr/bin/tool.plain", "/usr/bin/tool")
    debian.install("diverter", {"usr/bin/tool": "diverter"}, version="2")
    tree = Directory(debian.path)
    assert (debian.path / "usr/bin/tool.plain").read_text() == "plain"
    assert names(tree, "/usr/bin/tool") == ["diverter"]
    moved = record(tree, "/usr/bin/tool.plain")
    assert (moved.package.name, moved.path) == ("plain", b"/usr/bin/tool")
    assert is_same(moved, b"plain")


def test_a_diversion_of_the_administrator_leaves_a_file_of_his_own(debian: Root):
    debian.install("plain", {"usr/bin/tool": "plain"})
    debian.divert("--local", "--rename", "--divert", "/usr/bin/tool.old", "/usr/bin/tool")
    (debian.path / "usr/bin/tool").write_text("mine")
    assert Databases(Directory(debian.path)).owner(b"/usr/bin/tool") == NotOwned(("dpkg",))
    assert names(Directory(debian.path), "/usr/bin/tool.old") == ["plain"]


def test_a_diversion_of_another_text_for_the_same_file_counts_for_that_text_only(debian: Root):
    debian.install("plain", {"lib/shared": "plain"})
    debian.divert("--package", "other", "--no-rename", "--divert", "/usr/lib/moved", "/usr/lib/shared")
    assert names(Directory(debian.path), "/usr/lib/shared") == ["plain"]
    assert Databases(Directory(debian.path)).owner(b"/usr/lib/moved") == NotOwned(("dpkg",))


def test_a_changed_configuration_file_is_told_from_a_changed_file(debian: Root):
    files = {"etc/one.conf": "shipped", "usr/lib/one": "one", "usr/lib/two": "two"}
    debian.install("one", files, conffiles="/etc/one.conf\n")
    (debian.path / "etc/one.conf").write_text("edited")
    (debian.path / "usr/lib/two").write_text("patched")
    changed = debian.verified()
    assert set(changed) == {"/etc/one.conf", "/usr/lib/two"}
    for path in files:
        one = record(Directory(debian.path), f"/{path}")
        assert is_same(one, (debian.path / path).read_bytes()) == (f"/{path}" not in changed)
        assert one.configuration == path.startswith("etc/")


def test_what_a_removed_package_left_is_still_its_own(debian: Root):
    debian.install("one", {"etc/one.conf": "shipped", "usr/lib/one": "one"}, conffiles="/etc/one.conf\n")
    debian.dpkg("--remove", "one")
    assert names(Directory(debian.path), "/etc/one.conf") == ["one"]
    assert Databases(Directory(debian.path)).owner(b"/usr/lib/one") == NotOwned(("dpkg",))
    debian.dpkg("--purge", "one")
    assert Databases(Directory(debian.path)).owner(b"/etc/one.conf") == NotOwned(("dpkg",))


def test_an_upgrade_is_noticed(debian: Root):
    debian.install("one", {"usr/lib/one": "1"}, version="1")
    databases = Databases(Directory(debian.path))
    assert isinstance(databases.owner(b"/usr/lib/one"), Owned)
    assert databases.same()
    debian.install("one", {"usr/lib/one": "2"}, version="2")
    assert not databases.same()
    found = databases.owner(b"/usr/lib/one")
    assert isinstance(found, Refused)
    assert "changes while it is read" in found.reason
    assert record(Directory(debian.path), "/usr/lib/one").package.version == "2"


def test_this_machines_files_are_whose_dpkg_says():
    if shutil.which("dpkg-query") is None:
        missing("packages", "no dpkg here")
    mapped = {line.split(maxsplit=5)[-1].strip() for line in Path("/proc/self/maps").read_text().splitlines()}
    real = sorted(path for path in mapped if path.startswith("/usr/") and Path(path).exists())
    databases, compared = Databases(Directory(Path("/"))), 0
    for path in real:
        spelled = [path, path.removeprefix("/usr")]
        done = subprocess.run(["dpkg-query", "--search", *spelled], capture_output=True, text=True, check=False)
        expected = {line.partition(":")[0] for line in done.stdout.splitlines() if not line.startswith("diversion")}
        found = databases.owner(os.fsencode(path))
        assert isinstance(found, Owned) == bool(expected), (path, found)
        if isinstance(found, Owned):
            compared += 1
            assert {one.package.name for one in found.records if one.package.kind == "dpkg"} == expected
            version = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ${source:Package} ${source:Version}\n",
                                      found.records[0].package.name], capture_output=True, text=True, check=True)
            one = found.records[0].package
            assert version.stdout.splitlines()[0].split() == [
                one.version, one.source or one.name, one.source_version or one.version]
            assert is_same(found.records[0], Path(path).read_bytes())
    if not compared:
        missing("packages", "this Python maps no file of a package")


STATUS = "Package: one\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"
INFO = "var/lib/dpkg/info"
PLAIN = {"var/lib/dpkg/status": STATUS, f"{INFO}/one.list": "/.\n/usr\n/usr/lib\n/usr/lib/one\n",
         f"{INFO}/one.md5sums": "c4ca4238a0b923820dcc509a6f75849b  usr/lib/one\n"}


def test_a_root_without_packages_owns_nothing():
    assert Databases(Files({"usr/lib/one": "1"})).owner(b"/usr/lib/one") == NotOwned(())


def test_a_package_without_a_list_may_own_anything():
    status = STATUS + STATUS.replace("one", "two")
    tree = Files({**PLAIN, "var/lib/dpkg/status": status})
    assert refused(tree, "/usr/lib/two") == "var/lib/dpkg/info/two: the package has no list of files"
    found = Databases(tree).owner(b"/usr/lib/one")
    assert isinstance(found, Owned)
    assert (len(found.records), len(found.unread)) == (1, 1)


def test_what_dpkg_has_not_written_to_its_status_yet_counts():
    tree = Files({**PLAIN, "var/lib/dpkg/updates/0001": STATUS.replace("Version: 1", "Version: 3"),
                  "var/lib/dpkg/updates/0000": STATUS.replace("Version: 1", "Version: 2"),
                  "var/lib/dpkg/updates/tmp.i": STATUS.replace("Version: 1", "Version: 4")})
    assert record(tree, "/usr/lib/one").package.version == "3"


@pytest.mark.parametrize("state", ["install ok half-installed", "install reinstreq installed", "install ok"])
def test_a_package_that_is_not_whole_owns_nothing_for_sure(state):
    tree = Files({**PLAIN, "var/lib/dpkg/status": STATUS.replace("install ok installed", state)})
    assert refused(tree, "/usr/lib/one") == "dpkg has not finished installing one"


SINGLE = {"var/lib/dpkg/status.d/bGliYw": "Package: libc6\nVersion: 2.36\nArchitecture: amd64\nSource: glibc\n",
          "var/lib/dpkg/status.d/bGliYw.md5sums": "c4ca4238a0b923820dcc509a6f75849b  ./lib/.hidden/libc.so.6\n",
          "usr/lib/.hidden": "", "lib": Link(b"usr/lib"), "etc/os-release": "ID=debian\n"}


def test_an_image_made_without_dpkg_has_its_packages_in_files_of_their_own():
    tree = Files({**SINGLE, "usr/lib/.hidden/libc.so.6": "1"})
    found = record(tree, "/usr/lib/.hidden/libc.so.6")
    assert found.package == Package("dpkg", "libc6", "2.36", "amd64", Distribution("debian", None), "glibc")
    assert is_same(found, b"1")
    del SINGLE["var/lib/dpkg/status.d/bGliYw.md5sums"]
    assert "has no list of files" in refused(Files(SINGLE), "/usr/lib/x")


TORN = {
    "a status without an end": {"var/lib/dpkg/status": STATUS.rstrip("\n")},
    "a status that may not be read": {"var/lib/dpkg/status": Denied()},
    "a status of many bytes": {"var/lib/dpkg/status": "a" * (dpkgfiles.TEXT + 1)},
    "a line of no field": {"var/lib/dpkg/status": STATUS + "nonsense\n"},
    "a package without a name": {"var/lib/dpkg/status": "Version: 1\n"},
    "a field twice": {"var/lib/dpkg/status": STATUS.replace("Version: 1", "Version: 1\nVersion: 2")},
    "a list without an end": {f"{INFO}/one.list": "/usr/lib/on"},
    "a list that may not be read": {f"{INFO}/one.list": Denied()},
    "digests that may not be read": {f"{INFO}/one.md5sums": Denied()},
    "a directory where the status should be": {"var/lib/dpkg/status/x": "", "var/lib/dpkg/status": None},
    "torn diversions": {"var/lib/dpkg/diversions": "/a\n/b\n"},
    "a version that a terminal would obey": {"var/lib/dpkg/status": STATUS.replace("Version: 1", "Version: \33[2J")},
    "no version": {"var/lib/dpkg/status": STATUS.replace("Version: 1\n", "")},
    "a name with a slash": {"var/lib/dpkg/status": STATUS.replace("one", "../one")},
}


@pytest.mark.parametrize("case", TORN)
def test_a_database_that_is_not_as_it_should_be_is_refused(case):
    files = {path: node for path, node in {**PLAIN, **TORN[case]}.items() if node is not None}
    assert refused(Files(files), "/usr/lib/one")


def test_a_name_that_very_many_files_have_is_refused():
    names = "".join(f"/usr/{number}/one\n" for number in range(30000))
    assert "more than 20000" in refused(Files({**PLAIN, f"{INFO}/one.list": names}), "/usr/x/one")


def test_a_name_that_very_many_packages_have_is_refused():
    assert "more than 64" in refused(Files({**PLAIN, f"{INFO}/one.list": "/usr/lib/one\n" * 65}), "/usr/lib/one")
    diverted = "".join(f"/a{number}\n/usr/lib/one\nother\n" for number in range(65))
    assert "more than 64" in refused(Files({**PLAIN, "var/lib/dpkg/diversions": diverted}), "/usr/lib/one")


def test_no_more_is_read_than_lists_may_have():
    names = (b"/usr/lib/x" * 100 + b"\n") * 15000
    status = "".join(STATUS.replace("one", f"p{number}") for number in range(9))
    for end in (b"", b"torn"):
        lists = {f"{INFO}/p{number}.list": names + end for number in range(9)}
        assert "more than 64 MiB" in refused(Files({"var/lib/dpkg/status": status, **lists}), "/usr/lib/one")
    single = {f"var/lib/dpkg/status.d/{number}": b"x" * (15 << 20) for number in range(9)}
    assert "more than 64 MiB" in refused(Files({**single, **{f"{one}.md5sums": "" for one in single}}), "/usr/lib/one")
    many = {f"var/lib/dpkg/status.d/{number}": "" for number in range(20001)}
    assert "more than 20000" in refused(Files(many), "/usr/lib/one")


def test_a_database_that_is_refused_stays_so_until_it_changes():
    tree = Files({**PLAIN, "var/lib/dpkg/status": "torn"})
    databases = Databases(tree)
    assert isinstance(databases.owner(b"/usr/lib/one"), Refused)
    assert databases.same()
    tree.put(b"var/lib/dpkg/status", STATUS.encode())
    assert not databases.same()
    assert record(tree, "/usr/lib/one").package.name == "one"


def test_a_link_that_leads_in_circles_or_out_of_the_root_leads_nowhere():
    tree = Files({**PLAIN, "a": Link(b"b"), "b": Link(b"a"), "up": Link(b"../../../usr/lib"), "usr/lib/one": "1",
                  f"{INFO}/one.list": "/a/one\n/up/one\n/missing/one\n"})
    assert [one.path for one in records(tree, "/usr/lib/one")] == [b"/up/one"]


def test_the_work_for_a_name_does_not_grow_with_the_number_of_packages():
    def asked(packages: int) -> int:
        status = "".join(STATUS.replace("one", f"p{number}") for number in range(packages))
        lists = {f"{INFO}/p{number}.list": f"/usr/lib/{number}/x\n" for number in range(packages)}
        tree = Files({"var/lib/dpkg/status": status, **lists, "usr/lib/1/x": ""})
        databases = Databases(tree)
        databases.owner(b"/usr/lib/0/y")
        before = tree.asked
        assert isinstance(databases.owner(b"/usr/lib/1/z"), NotOwned)
        return tree.asked - before
    assert asked(10) == asked(1000)
