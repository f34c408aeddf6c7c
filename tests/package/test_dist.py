"""The wheel and the source distribution: the same bytes from the same sources, and installed as the page says."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from mapsd import __version__
from tests.package.shipped import SDIST, WHEEL, Forms

PAGE = Path("docs/install.md")
BOUND = 120  # seconds


def blocks(path: Path) -> list[str]:
    """Return the lines that a page shows as commands."""
    return [line[4:] for line in path.read_text().splitlines() if line.startswith("    ")]


def test_the_same_sources_are_the_same_bytes_in_another_place(forms: Forms, tmp_path: Path):
    copy, out = tmp_path / "another place", tmp_path / "out"
    shutil.copytree(forms.source, copy, copy_function=shutil.copy, symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "dist"))
    subprocess.run(["chmod", "-R", "go=", copy], check=True)
    subprocess.run([copy / "bin/build-dist", out], check=True, umask=0o077, cwd="/", stdout=subprocess.DEVNULL,
                   env={**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C"})
    assert (out / WHEEL).read_bytes() == forms.wheel.read_bytes()
    assert (out / SDIST).read_bytes() == forms.sdist.read_bytes()


def test_the_source_distribution_builds_the_same_again(forms: Forms, tmp_path: Path):
    (forms.unpacked / ".venv").symlink_to(sys.prefix)
    Forms(forms.unpacked, tmp_path).build()
    assert (tmp_path / WHEEL).read_bytes() == forms.wheel.read_bytes()
    assert (tmp_path / SDIST).read_bytes() == forms.sdist.read_bytes()
    assert (tmp_path / "mapsd.pyz").read_bytes() == forms.archive.read_bytes()


def test_the_wheel_needs_nothing_but_for_the_daemon(forms: Forms):
    with zipfile.ZipFile(forms.wheel) as wheel:
        names = wheel.namelist()
        about = wheel.read(f"mapsd-{__version__}.dist-info/METADATA").decode()
    needs = re.findall(r"^Requires-Dist: ([a-z-]+)[^;]*; extra == '(\w+)'$", about, re.MULTILINE)
    assert len(needs) == about.count("\nRequires-Dist:")
    assert {name for name, extra in needs if extra == "daemon"} == {"fastapi", "uvicorn", "psutil", "prometheus-client"}
    assert "Requires-Python: >=3.11\n" in about
    assert {name.partition("/")[0] for name in names} == {
        "mapsd", "mapsd_api", f"mapsd-{__version__}.data", f"mapsd-{__version__}.dist-info"}
    assert {Path(name).suffix for name in names if name.startswith("mapsd")} >= {".py", ".skeleton", ".typed"}
    assert not [name for name in names if name.endswith((".c", ".h", ".pyc"))]


@pytest.fixture(scope="module")
def installed(forms: Forms, place: Path) -> Path:
    """Run the commands of the page in a checkout, in order, and return the home directory of who ran them.

    pip asks no index: what it would find there is what the lock has, and the new environment shows it that.
    """
    home, here = place / "home", sysconfig.get_paths()
    (home / "bin").mkdir(parents=True)
    (home / "bin/python3").symlink_to(os.path.realpath(sys.executable))
    beside = f"{sysconfig.get_path('purelib', 'venv', {'base': '$HOME/mapsd', 'platbase': '$HOME/mapsd'})}"
    lines = ["set -e"]
    for line in blocks(forms.source / PAGE):
        lines.append(line)
        if line.startswith("python3 -m venv"):
            lines.append(f'echo "{here["purelib"]}" >"{beside}/locked.pth"')
    env = {"HOME": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "PIP_NO_INDEX": "1"}
    done = subprocess.run(["sh", "-c", "\n".join(lines)], cwd=forms.source, env=env, capture_output=True, text=True,
                          timeout=BOUND, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.count("current") >= 3
    return home


def test_the_page_is_true_and_what_it_installs_runs_elsewhere(installed: Path):
    command = [installed / "mapsd/bin/mapsd", "lookup", "self"]
    done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "current" in done.stdout


def test_the_daemon_has_what_it_needs(installed: Path):
    code = "import mapsd, mapsd_api, fastapi, uvicorn, psutil, prometheus_client; print(mapsd.__file__)"
    done = subprocess.run([installed / "mapsd/bin/python", "-c", code], cwd="/", env={}, capture_output=True, text=True,
                          check=True)
    assert done.stdout.startswith(str(installed / "mapsd"))


def test_every_page_installs_this_very_file_and_none_a_bare_name(checkout: Path):
    pages = [checkout / "README.md", *sorted((checkout / "docs").glob("*.md"))]
    shown = {page: re.findall(r"pip install ([^\s`]+)", page.read_text()) for page in pages}
    assert shown[checkout / PAGE] == [f"'./dist/{WHEEL}[daemon]'"]
    assert {file for files in shown.values() for file in files} == {f"'./dist/{WHEEL}[daemon]'"}
