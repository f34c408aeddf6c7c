"""The archive of the core: the same bytes wherever and by whichever Python it is packed, one line to an old Python."""

import ast
import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from mapsd.linux.bpf import skeleton
from tests.cli import interpreters
from tests.cli.command import BOUND, NOBODY
from tests.package.shipped import Forms, Python

LEFT_OUT = {".c", ".h", ".typed"}  # nothing that a run reads


def packed(python: Path, checkout: Path, output: Path, *, umask: int = 0o022, prefix: tuple[str, ...] = (),
           **variables: str) -> str:
    """Return the digest of what a checkout packs."""
    done = subprocess.run([*prefix, python, checkout / "bin/build-pyz", output], env=variables, umask=umask, check=True,
                          capture_output=True, text=True, cwd="/")
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    assert done.stdout == f"{digest}  {output}\n"
    return digest


@pytest.fixture
def other(source: Path, tmp_path: Path) -> Path:
    """The same sources in another directory, with other modes and times."""
    copy = tmp_path / "another place"
    for part in ("bin", "mapsd"):
        shutil.copytree(source / part, copy / part, copy_function=shutil.copyfile)
    shutil.copyfile(source / "LICENSE", copy / "LICENSE")
    return copy


def test_the_same_sources_are_the_same_bytes_under_every_python(forms: Forms, other: Path, tmp_path: Path):
    wanted = hashlib.sha256(forms.archive.read_bytes()).hexdigest()
    for version, python in {**interpreters.every(), **interpreters.every(old=True)}.items():
        if version >= "3":
            there = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"}
            assert packed(python, other, tmp_path / version, umask=0o077, **there) == wanted, version


@pytest.mark.usefixtures("root")
def test_another_user_packs_the_same_bytes(forms: Forms, python: Python):
    users = python.where / "users"
    users.mkdir()
    users.chmod(0o777)
    digest = packed(python.program, forms.source, users / "mapsd.pyz", prefix=tuple(NOBODY), **python.variables)
    assert digest == hashlib.sha256(forms.archive.read_bytes()).hexdigest()


def test_the_time_of_its_files_is_the_given_one_or_the_earliest(forms: Forms, other: Path, tmp_path: Path):
    python = interpreters.newest()
    packed(python, other, tmp_path / "one", SOURCE_DATE_EPOCH="1764000000", TZ="Asia/Tokyo")
    for archive, time in ((tmp_path / "one", (2025, 11, 24, 16, 0, 0)), (forms.archive, (1980, 1, 1, 0, 0, 0))):
        with zipfile.ZipFile(archive) as made:
            assert {entry.date_time for entry in made.infolist()} == {time}


def test_it_holds_what_a_run_reads_and_the_licence(forms: Forms):
    with zipfile.ZipFile(forms.archive) as archive:
        entries = archive.infolist()
        held = {entry.filename: archive.read(entry) for entry in entries}
    assert list(held) == sorted(held)
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    wanted = {path.relative_to(forms.source).as_posix(): path.read_bytes()
              for path in (forms.source / "mapsd").rglob("*")
              if path.is_file() and path.suffix not in LEFT_OUT and path.parent.name != "__pycache__"}
    assert held.keys() - wanted.keys() == {"__main__.py", "LICENSE"}
    assert {name: held[name] for name in wanted} == wanted


def test_it_is_a_program_of_whoever_may_read_it(forms: Forms):
    assert forms.archive.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert os.access(forms.archive, os.X_OK)
    assert forms.archive.stat().st_mode & 0o022 == 0
    assert sorted(path.name for path in forms.where.glob(".*")) == []


def test_an_output_that_can_not_be_written_is_one_line(source: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    where = tmp_path / "file/mapsd.pyz"
    done = subprocess.run([source / "bin/build-pyz", where], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"build-pyz: {where}: ")
    assert done.stderr.count("\n") == 1


def too_old(version: str) -> tuple[int, str, str]:
    return 127, "", f"mapsd: needs Python 3.11 or later, this is {version}: run it with another\n"


def run(*command: object, **options: object) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND, check=False, **options)
    return done.returncode, done.stdout, done.stderr


def test_an_old_python_is_told_so_in_one_line(forms: Forms):
    python = interpreters.newest()
    older = ("import runpy, sys; sys.version_info = (3, 9, 18); "
             "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')")
    assert run(python, "-c", older, forms.archive, "--version") == too_old("3.9")
    with zipfile.ZipFile(forms.archive) as archive:
        ast.parse(archive.read("__main__.py"), feature_version=(3, 7))
    for version, old in interpreters.every(old=True).items():
        assert run(old, forms.archive, "--version") == too_old(version)


def test_no_other_mapsd_is_taken_for_its_own(forms: Forms, tmp_path: Path):
    (tmp_path / "mapsd").mkdir()
    (tmp_path / "mapsd/__init__.py").write_text("raise SystemExit('hijacked')")
    for python in interpreters.every().values():
        status, out, err = run(python, forms.archive, "--version", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
        assert (status, out.split()[0], err) == (0, "mapsd", "")


def test_what_is_no_source_is_read_from_the_archive(forms: Forms):
    code = ("import hashlib, sys\nsys.path.insert(0, sys.argv[1])\nfrom mapsd.linux.bpf import skeleton\n"
            "assert 'mapsd.pyz/' in skeleton.__file__\n"
            "for name in sys.argv[2:]:\n    print(hashlib.sha256(repr(skeleton.read(name)).encode()).hexdigest())")
    names = sorted(path.stem for path in (forms.source / "mapsd").rglob("*.skeleton"))
    assert "held" in names
    wanted = "".join(f"{hashlib.sha256(repr(skeleton.read(name)).encode()).hexdigest()}\n" for name in names)
    for python in interpreters.every().values():
        assert run(python, "-S", "-I", "-c", code, forms.archive, *names) == (0, wanted, "")
