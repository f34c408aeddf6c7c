"""`bin/mapsd` from the checkout: any directory, any user, whichever python3 there is."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from mapsd import __version__
from tests.cli import interpreters
from tests.cli.command import BOUND, CHECKOUT, MAPSD, NOBODY
from tests.conftest import missing

VERSION = (0, f"mapsd {__version__}\n", "")
TOO_OLD = (127, "", "mapsd: needs Python 3.11 or later: install it (Debian: apt-get install python3)\n")


def run(*command: object, **options: object) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND, check=False, **options)
    return done.returncode, done.stdout, done.stderr


def path(*first: Path) -> dict[str, str]:
    return {"PATH": ":".join([*map(str, first), os.environ["PATH"]])}


def without_system_python(command: list[object], replacement: Path, **options: object) -> tuple[int, str, str]:
    """Run a command where /usr/bin/python3 is another file."""
    if os.geteuid() != 0:
        missing("root", "needs root to mount over /usr/bin/python3")
    script = 'if [ -e /usr/bin/python3 ]; then mount --bind "$0" /usr/bin/python3; fi; exec "$@"'
    return run("unshare", "-m", "--propagation", "private", "sh", "-c", script, replacement, *command, **options)


@pytest.mark.parametrize("cwd", ["/", CHECKOUT, CHECKOUT / "bin"])
def test_it_runs_from_any_directory(cwd):
    assert run(MAPSD, "--version", cwd=cwd) == VERSION
    assert run(os.path.relpath(MAPSD, cwd) if cwd != CHECKOUT / "bin" else "./mapsd", "--version", cwd=cwd) == VERSION
    assert run("sh", os.path.relpath(MAPSD, cwd), "--version", cwd=cwd) == VERSION


def test_it_runs_through_symbolic_links(tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b/mapsd").symlink_to(os.path.relpath(MAPSD, (tmp_path / "a b").resolve()))
    (tmp_path / "again").symlink_to("a b/mapsd")
    (tmp_path / "folder").symlink_to(MAPSD.parent)
    for name in ("a b/mapsd", "again", "folder/mapsd"):
        assert run(tmp_path / name, "--version", cwd="/") == VERSION
    assert run("mapsd", "--version", env=path(tmp_path / "a b"), cwd=tmp_path) == VERSION


def test_words_arrive_as_they_are():
    assert run(MAPSD, "lookup", "a  'b\"$c\n*")[2] == "mapsd: not a PID: 'a  'b\"$c\\x0a*'\n".replace("\\x0a", "\\x0a")
    assert run(MAPSD, "")[2] == "mapsd: no such command: '' (see mapsd --help)\n"


@pytest.mark.usefixtures("root")
def test_another_user_runs_a_checkout_that_he_may_not_write_without_home_or_network():
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        for part in ("bin", "mapsd"):
            shutil.copytree(CHECKOUT / part, top / part, ignore=shutil.ignore_patterns("__pycache__"))
        for directory, _, files in os.walk(top):
            os.chown(directory, 12345, 12345)
            os.chmod(directory, 0o555)
            for file in files:
                os.chown(f"{directory}/{file}", 12345, 12345)
        before = sorted(top.rglob("*"))
        done = run("unshare", "-n", *NOBODY, "env", "-i", top / "bin/mapsd", "lookup", "self", cwd="/")
        assert (done[0], done[2]) == (0, "")
        assert "current" in done[1]
        assert sorted(top.rglob("*")) == before


def test_an_old_interpreter_makes_way_for_the_next(tmp_path):
    interpreters.old(tmp_path)
    if run("/usr/bin/python3", "-c", "import sys; sys.exit(sys.version_info < (3, 11))")[0] != 0:
        missing("root", "needs a /usr/bin/python3 of 3.11 or later")
    assert run(MAPSD, "--version", env=path(tmp_path)) == VERSION
    done = run(MAPSD, "lookup", "self", "--json", env=path(tmp_path))
    assert (done[0], done[2]) == (0, "")
    assert '"exe": "/usr/bin/python3' in done[1]


def test_old_interpreters_only_are_a_clear_message(tmp_path):
    old = interpreters.old(tmp_path)
    assert without_system_python([MAPSD, "--version"], old, env=path(tmp_path)) == TOO_OLD


def test_no_interpreter_is_a_clear_message(tmp_path):
    (tmp_path / "empty").touch()
    for tool in ("unshare", "sh", "mount"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    assert without_system_python([MAPSD, "--version"], tmp_path / "empty", env={"PATH": str(tmp_path)}) == TOO_OLD


def test_python_is_started_once(tmp_path):
    counted = interpreters.real(tmp_path)
    interpreters.program(tmp_path / "python3", f'echo started >>{tmp_path}/count\nexec {counted} "$@"')
    assert run(MAPSD, "--version", env=path(tmp_path)) == VERSION
    assert (tmp_path / "count").read_text() == "started\n"


def test_the_environment_of_python_is_ignored(tmp_path):
    (tmp_path / "os.py").write_text("raise SystemExit('hijacked')")
    hostile = {**path(), "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "os.py"), "PYTHONINSPECT": "1"}
    assert run(MAPSD, "--version", env=hostile, cwd=tmp_path) == VERSION
