"""Names in real environments of Python, compared with what importlib.metadata and pip's RECORD say."""

import base64
import csv
import hashlib
import importlib.metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.model.packages import Digest, NotOwned, Owned, Package, Undecided
from mapsd.packages.databases import Databases
from mapsd.parse.pythonpackage import metadata, needles, recorded
from tests.packages.asking import compared, is_same, names, record, records, refused
from tests.packages.trees import Denied, Directory, Files, Link

SITE = "usr/lib/python3/site-packages"
X = "sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1"  # the digest of b"x"


def dist(name: str, lines: str, version: str = "1.0") -> dict[str, str]:
    return {f"{SITE}/{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
                                                           f"\nName: no\n",
            f"{SITE}/{name}-{version}.dist-info/RECORD": lines}


def test_every_file_of_this_environment_belongs_to_the_distribution_that_records_it():
    site = Path(importlib.metadata.distribution("hypothesis").locate_file("")).resolve()
    databases, seen = Databases(Directory(site.parent)), 0
    for distribution in importlib.metadata.distributions(path=[str(site)]):
        for file in (distribution.files or [])[:40]:
            path = Path(file.locate()).resolve()
            if site not in path.parents or not path.is_file() or file.hash is None:
                continue
            found = databases.owner(b"/" + str(path.relative_to(site.parent)).encode())
            assert isinstance(found, Owned), (path, found)
            one = next(one for one in found.records if one.package.name == distribution.metadata["Name"])
            assert (one.package.version, one.size) == (distribution.version, file.size)
            data = path.read_bytes()
            held = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, data).digest()).decode().rstrip("=")
            assert is_same(one, data) == (held == file.hash.value)
            seen += 1
    assert seen > 100


def test_a_file_is_of_the_version_whose_record_lists_it():
    tree = Files({**dist("demo", f"demo/a.so,{X}\n"), **dist("demo", f"demo/b.so,{X}\n", "2.0"),
                  f"{SITE}/demo/a.so": "x", f"{SITE}/demo/b.so": "x"})
    assert record(tree, f"/{SITE}/demo/a.so").package == Package("python", "demo", "1.0")
    found = record(tree, f"/{SITE}/demo/b.so")
    assert (found.package.version, found.size, found.listed) == ("2.0", 1, True)
    assert is_same(found, b"x")
    assert not is_same(found, b"y")
    assert not is_same(found, b"xx")


def test_a_file_that_two_packages_record_is_both():
    tree = Files({**dist("one", f"a.so,{X}\n"), **dist("two", "a.so,,\n")})
    found = records(tree, f"/{SITE}/a.so")
    assert [one.package.name for one in found] == ["one", "two"]
    assert compared(found[1], b"x") == Undecided("two has no digest and no size of the file to compare")


def test_a_program_beside_the_packages_is_found():
    files = dist("ruff", f"../../../bin/ruff,{X}\n")
    tree = Files(files)
    assert names(tree, "/usr/bin/ruff") == ["ruff"]
    tree.put(b"usr/lib64", Link(b"lib"))
    assert names(tree, "/usr/bin/ruff") == ["ruff"]
    moved = Files({path.replace("lib/", "lib64/"): text for path, text in files.items()})
    assert names(moved, "/usr/bin/ruff") == ["ruff"]
    assert Databases(tree).owner(b"/usr/bin/uff") == NotOwned(())
    assert Databases(tree).owner(b"/usr/sbin/ruff") == NotOwned(())


def test_names_that_csv_must_quote_are_found():
    tree = Files(dist("demo", f'"a,b.so",{X}\r\n"c""d.so",{X}\r\nplain.so,{X}\r\n'))
    for name in ("a,b.so", 'c"d.so', "plain.so"):
        assert is_same(record(tree, f"/{SITE}/{name}"), b"x")


def test_a_record_that_was_cut_has_no_wrong_size():
    tree = Files(dist("demo", f"a.so,{X}\nb.so,{X}2345"))
    assert Databases(tree).owner(f"/{SITE}/b.so".encode()) == NotOwned(())
    assert is_same(record(tree, f"/{SITE}/a.so"), b"x")


def test_eggs_have_their_files_by_list_or_by_place():
    tree = Files({f"{SITE}/demo-1.egg-info/PKG-INFO": "Name: demo\nVersion: 1\n", f"{SITE}/x.egg-info": "Name: x\n",
                  f"{SITE}/demo-1.egg-info/installed-files.txt": "../demo/a.so\nPKG-INFO\n",
                  f"{SITE}/old-2-py3.egg/EGG-INFO/PKG-INFO": "Name: old\nVersion: 2\n"})
    assert record(tree, f"/{SITE}/demo/a.so").package == Package("python", "demo", "1")
    found = record(tree, f"/{SITE}/old-2-py3.egg/old/b.so")
    assert (found.package.version, found.listed) == ("2", False)
    assert Databases(tree).owner(f"/{SITE}/demo/b.so".encode()) == NotOwned(())


def test_a_package_without_a_list_of_files_owns_nothing():
    tree = Files({f"{SITE}/demo-1.dist-info/METADATA": "Name: demo\nVersion: 1\n"})
    assert Databases(tree).owner(f"/{SITE}/demo/a.so".encode()) == NotOwned(())


@pytest.mark.parametrize("broken", [
    {f"{SITE}/demo-1.0.dist-info/METADATA": Denied()}, {f"{SITE}/demo-1.0.dist-info/METADATA": "Name: demo\n"},
    {f"{SITE}/demo-1.0.dist-info/METADATA": "Name: \33[0m\nVersion: 1\n"},
    {f"{SITE}/demo-1.0.dist-info/RECORD": Denied()}, {SITE: Denied()}])
def test_what_cannot_be_read_is_refused(broken):
    assert refused(Files({**dist("demo", f"a.so,{X}\n"), **broken}), f"/{SITE}/a.so")


def test_very_many_packages_are_refused():
    assert "more than 64" in refused(Files(dist("demo", "a.so,,\n" * 65)), f"/{SITE}/a.so")
    many = {f"{SITE}/p{number}.dist-info/x": "" for number in range(5001)}
    assert "more than 5000" in refused(Files(many), f"/{SITE}/a.so")
    many = {f"usr/lib/python3.{number}/x": "" for number in range(21)}
    assert "more than 20" in refused(Files(many), "/usr/bin/x")


def test_no_more_is_read_than_lists_may_have():
    lists = {path: b"x\n" * (7 << 20) for number in range(11) for path in dist(f"p{number}", "") if "RECORD" in path}
    assert "more than 128 MiB" in refused(Files(lists), f"/{SITE}/a.so")


def test_what_conda_installed_may_be_its_own():
    tree = Files({"opt/conda/conda-meta/a-1.json": "{}", **dist("demo", f"demo/a.so,{X}\n"), "opt/conda/lib/b.so": ""})
    assert refused(tree, "/opt/conda/lib/b.so") == "opt/conda: the packages of Conda are not read"
    assert names(tree, f"/{SITE}/demo/a.so") == ["demo"]


paths = st.text(st.sampled_from('ab/,"\n\r '), min_size=1, max_size=6)


@given(st.lists(paths, unique=True, max_size=5), paths)
def test_a_path_is_found_exactly_where_csv_has_it(tmp_path_factory, others, wanted):
    file = tmp_path_factory.mktemp("csv") / "RECORD"
    with file.open("w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([one, "sha256=x", "7"] for one in others)
    text = b"\n" + file.read_bytes()
    found = [one for one in needles(wanted.encode()) if one in text]
    if not any(set(one) & set('\n"') for one in others):
        assert bool(found) == (wanted in others)
    elif wanted in others:
        assert found


@given(st.binary(max_size=60))
def test_any_line_and_any_metadata_is_read(data):
    digest, size = recorded(data)
    assert digest is None or len(digest.value) >= 28
    assert size is None or size >= 0
    metadata(data)
    metadata(b"Name: " + data)


def test_an_algorithm_or_a_length_that_nobody_knows_is_no_digest():
    assert recorded(X.encode())[0] == Digest("sha256", bytes.fromhex(
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"))
    for text in (b"md5=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1", b"sha256=LXEW,1", b"sha256=LX!W,1", b",1",
                 b"sha512=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1"):
        assert recorded(text) == (None, 1)
    assert recorded(b",-1") == recorded(b",") == recorded(b"") == (None, None)
