"""A machine of its own for a moment: systemd as process 1 over a copy of this file system that is forgotten at the end.

systemd-nspawn boots it. Its files are this machine's, below an overlay on a tmpfs; the checkout and the interpreter
are bound into it. One program is run in it, and what that program writes down is what the test gets.
"""

import contextlib
import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import missing

CHECKOUT = Path(__file__).resolve().parents[2]
UNITS = CHECKOUT / "deploy/systemd"
BOUND = 60  # seconds
# What nspawn forbids otherwise, and the daemon or the test of it needs.
_CALLS = "bpf perf_event_open open_by_handle_at name_to_handle_at @mount @setuid @chown capset"
_TARGET = """[Unit]
Description=What is tried
Wants=trial.service
"""
_TRIAL = """[Unit]
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
Environment=PYTHONPATH={path} LD_LIBRARY_PATH=/opt/python/lib PYTHONDONTWRITEBYTECODE=1
ExecStart=/opt/python/bin/{python} -P -m {module} /run/told
StandardOutput=file:/run/told/output
StandardError=file:/run/told/output
"""
_MAPSD = """#!/bin/sh
export PYTHONPATH={path} LD_LIBRARY_PATH=/opt/python/lib
exec /opt/python/bin/{python} -P -m mapsd.cli "$@"
"""
# Run in a mount namespace of its own; $1 is an empty directory, the rest are words for nspawn.
_BOOT = """set -eu
lab=$1
shift
mount -t tmpfs -o mode=755 lab "$lab"
mkdir "$lab/upper" "$lab/work" "$lab/root"
mount -t overlay -o "lowerdir=/,upperdir=$lab/upper,workdir=$lab/work" lab "$lab/root"
cp -R "$lab.files/." "$lab/root"
mount -t tmpfs -o mode=755 run /run
exec systemd-nspawn -D "$lab/root" "$@"
"""


def told_by(module: str, where: Path, files: Mapping[str, Path]) -> dict:
    """Return what *module* wrote down as JSON, run as root in a machine with our units and these *files* in its root.

    *where* is an empty directory. The module is called with a directory to write to, and the machine ends when it ends.
    """
    if os.geteuid() != 0:
        missing("systemd", "needs root to boot a machine")
    if shutil.which("systemd-nspawn") is None:
        missing("systemd", "needs systemd-nspawn (systemd-container)")
    told = where / "told"
    told.mkdir()
    _write_files(where / "lab.files", module)
    for name, path in files.items():
        shutil.copy(path, where / "lab.files" / name)
    (where / "lab").mkdir()
    done = _booted(where / "lab", told)
    try:
        return json.loads((told / "answer.json").read_text())
    except FileNotFoundError:
        said = (told / "output").read_text() if (told / "output").exists() else done.stdout
        raise AssertionError(f"nothing was told:\n{said[-8000:]}") from None


def _write_files(root: Path, module: str) -> None:
    python, path = os.path.basename(os.path.realpath(sys.executable)), "/opt/mapsd:/opt/mapsd/api:/opt/packages"
    system = root / "etc/systemd/system"
    system.mkdir(parents=True)
    for unit in UNITS.glob("mapsd*.s*"):
        if unit.suffix != ".sysusers":
            shutil.copy(unit, system)
    (root / "usr/lib/sysusers.d").mkdir(parents=True)
    shutil.copy(UNITS / "mapsd.sysusers", root / "usr/lib/sysusers.d/mapsd.conf")
    (system / "tried.target").write_text(_TARGET)
    (system / "trial.service").write_text(_TRIAL.format(path=path, python=python, module=module))
    program = root / "usr/bin/mapsd"
    program.parent.mkdir()
    program.write_text(_MAPSD.format(path=path, python=python))
    program.chmod(0o755)
    (root / "opt").mkdir()


def _booted(lab: Path, told: Path) -> subprocess.CompletedProcess[str]:
    binds = {"/opt/mapsd": CHECKOUT, "/opt/python": sys.base_prefix, "/opt/packages": site.getsitepackages()[0]}
    words = ["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--capability=all",
             f"--machine=mapsd-{os.getpid()}", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
             "--settings=no", "--console=pipe", f"--system-call-filter={_CALLS}", f"--bind={told}:/run/told",
             *(f"--bind-ro={where}:{at}" for at, where in binds.items()), "--",
             "--unit=tried.target", "--log-target=console", "--show-status=no"]
    unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BOOT, "boot", str(lab), *words]
    environment = {"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    with _cgroups_as_they_were():
        return subprocess.run(unshare, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", env=environment, timeout=BOUND, check=False)


@contextlib.contextmanager
def _cgroups_as_they_were():
    """nspawn leaves the two groups that it makes below its own."""
    made = [Path(f"/sys/fs/cgroup/{kind}{line.rpartition(':')[2]}/{name}")
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            for kind in ("unified", "systemd", "") for name in ("payload", "supervisor")]
    before = [path for path in made if path.is_dir()]
    try:
        yield
    finally:
        for path in made:
            if path not in before and path.is_dir():
                for directory, _, _ in os.walk(path, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)
