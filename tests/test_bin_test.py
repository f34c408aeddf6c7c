"""bin/test passes when everything passed, fails when anything failed, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import until

BIN = Path(__file__).parents[1] / "bin" / "test"
# In place of the interpreter: what is asked of it, and a failure where the arguments hold the word.
PYTHON = """#!/bin/sh
case "$*" in *"$BAD"*) echo "FAILED $*"; exit 1;; esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout of which only bin/test is real."""
    for folder in ("bin", "venv/bin", "tmp"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(BIN, tmp_path / "bin")
    script(tmp_path / "bin" / "environment", f"#!/bin/sh\necho {tmp_path / 'venv'}\n")
    script(tmp_path / "venv" / "bin" / "python", PYTHON)
    return tmp_path


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


def run(checkout, bad):
    return subprocess.run([checkout / "bin" / "test"], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "TMPDIR": str(checkout / "tmp"), "BAD": bad})


def test_it_passes_when_everything_passed(checkout):
    done = run(checkout, "nothing of it")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("bad", ["ruff", "mypy", "importlinter"])
def test_it_stops_at_the_first_linter_that_failed(checkout, bad):
    done = run(checkout, bad)
    assert done.returncode == 1
    assert done.stdout.count("FAILED") == 1


@pytest.mark.parametrize(("bad", "name"), [
    ("pytest tests/overlay ", "overlay"), ("ignore=tests/overlay ", "rest"), ("pytest tests/api/soak", "soak"),
    ("pytest tests/engines", "engines"), ("pytest tests/kernels", "kernels"),
    ("pytest tests/overlay/test_histories.py tests/overlay/test_kept.py", "histories")])
def test_it_fails_when_any_part_failed_and_says_so_at_the_end(checkout, bad, name):
    done = run(checkout, bad)
    assert (done.returncode, done.stderr) == (1, f"bin/test: not passed: {name}\n")
    assert done.stdout.splitlines()[-1].startswith("FAILED -m pytest")


def test_it_ends_what_it_has_begun_when_it_is_ended(checkout):
    script(checkout / "venv" / "bin" / "python", f"""#!/bin/sh
case "$*" in
*"pytest tests/overlay "*) echo $$ >{checkout}/pid; exec sleep 1000;;
*"pytest --ignore"*) exec sleep 1000;;
esac
""")
    with subprocess.Popen([checkout / "bin" / "test"], stdout=subprocess.DEVNULL, start_new_session=True, env={
            "PATH": "/usr/bin:/bin", "TMPDIR": str(checkout / "tmp")}) as running:
        until(lambda: (checkout / "pid").exists() and (checkout / "pid").read_text().endswith("\n"))
        pid = int((checkout / "pid").read_text())
        os.killpg(running.pid, signal.SIGINT)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert list((checkout / "tmp").iterdir()) == []


def test_it_leaves_nothing_behind(checkout):
    run(checkout, "nothing of it")
    assert list((checkout / "tmp").iterdir()) == []
