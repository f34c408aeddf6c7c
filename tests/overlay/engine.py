"""The image, built by a local builder from a base made of the system's packages, and containers of it. No registry."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pip

from tests.cli.command import BOUND, CHECKOUT

NEEDED = ("podman", "runc", "mmdebstrap")
PYTHON = "/usr/bin/python3"  # the system's: the base has the same
SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources")
CAPABILITIES = ("SYS_PTRACE", "DAC_READ_SEARCH", "CHECKPOINT_RESTORE", "SETUID", "SETGID")
BUILD_BOUND = 110  # seconds
IMAGE, CGROUP = "localhost/mapsd", f"/mapsd-image-{os.getpid()}"
_LEFT = ("/run/runc", "/var/lib/containers")  # what the engine makes outside of the directories that it is given
_CONF = """\
[containers]
netns = "none"
default_ulimits = []
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
static_dir = "{0}/static"
tmp_dir = "{0}/tmp"
volume_path = "{0}/volumes"
"""


class Engine:
    """podman with all that it keeps in a directory of its own."""

    def __init__(self, base: Path) -> None:
        self.base = base
        (base / "containers.conf").write_text(_CONF.format(base))

    def podman(self, *words: object, within: float = BOUND) -> subprocess.CompletedProcess[str]:
        stores = ["--root", self.base / "store", "--runroot", self.base / "run", "--storage-driver", "overlay"]
        return subprocess.run(["podman", *map(str, (*stores, *words))], capture_output=True, text=True, timeout=within,
                              check=False, env={**os.environ, "CONTAINERS_CONF": f"{self.base}/containers.conf"})

    def done(self, *words: object, within: float = BOUND) -> str:
        """Return what a command prints that succeeds."""
        ended = self.podman(*words, within=within)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def run(self, *words: object, capabilities: Iterable[str] = CAPABILITIES, more: Iterable[str] = ()) -> (
            subprocess.CompletedProcess[str]):
        """Return how a command of the image ends."""
        return self.podman("run", "--rm", "--no-healthcheck", *options(capabilities), *more, IMAGE, *words)

    @contextmanager
    def daemon(self, where: Path, capabilities: Iterable[str], more: Iterable[str] = ()) -> Iterator[str]:
        """Start what the image starts by itself, its socket in the directory *where*, and give its name."""
        self.done("run", "-d", "--name", "daemon", *options(capabilities), *more, "-v", f"{where}:/run/mapsd", IMAGE)
        try:
            yield "daemon"
        finally:
            self.podman("rm", "-f", "-t", "0", "daemon")


def options(capabilities: Iterable[str]) -> list[str]:
    """Return the options with which docs/containers.md starts the image, but for the directory of its socket."""
    return ["--read-only", "--read-only-tmpfs=false", "--network", "none", "--pid", "host", "--cgroup-parent", CGROUP,
            "--cap-drop", "ALL", *(f"--cap-add={name}" for name in capabilities),
            "--security-opt", "no-new-privileges", "-v", "/proc:/host/proc:ro", "-v", "/:/host:ro,rslave"]


@contextmanager
def built(base: Path) -> Iterator[Engine]:
    """Give an engine that has the image, for the time of the block."""
    engine, before = Engine(base), {path for path in map(Path, _LEFT) if path.exists()}
    try:
        _build(engine)
        yield engine
    finally:
        engine.podman("rm", "-fa")
        for top in (*Path("/sys/fs/cgroup").glob(CGROUP[1:]), *Path("/sys/fs/cgroup").glob(f"*{CGROUP}")):
            for path, _, _ in os.walk(top, topdown=False):
                os.rmdir(path)
        for path in {Path(path) for path in _LEFT} - before:
            shutil.rmtree(path, ignore_errors=True)


def _build(engine: Engine) -> None:
    base = engine.base
    _base(engine)
    _builder(engine)
    _wheels(base)
    arguments = ["--build-arg", "BASE=localhost/base", "--build-arg", "BUILDER=localhost/builder"]
    volumes = ["-v", f"{base}/wheels:/wheels:ro", "-v", f"{base}/pip.conf:/etc/pip.conf:ro"]
    engine.done("build", "--format", "docker", "--isolation", "chroot", *arguments, *volumes, "-t", IMAGE,
                CHECKOUT, within=BUILD_BOUND)


def _base(engine: Engine) -> None:
    """Import a root of the running system's own release: an interpreter, a shell and little else."""
    words = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    tar = engine.base / "base.tar"
    sources = [path for path in SOURCES if os.path.exists(path)]
    subprocess.run(["mmdebstrap", "--quiet", "--variant=extract", "--include=python3,coreutils,dash,base-files",
                    words["VERSION_CODENAME"], tar, *sources], check=True, timeout=BUILD_BOUND, capture_output=True)
    engine.done("import", "-q", tar, "localhost/base")


def _builder(engine: Engine) -> None:
    """Make the same with pip, as the image on a registry has it."""
    where = engine.base / "builder"
    shutil.copytree(Path(pip.__file__).parent, where / "pip")
    version = subprocess.check_output([PYTHON, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], text=True)
    (where / "Dockerfile").write_text(
        f"FROM localhost/base\nCOPY pip /usr/local/lib/python{version.strip()}/dist-packages/pip\n")
    engine.done("build", "-q", "--isolation", "chroot", "-t", "localhost/builder", where)


def _wheels(base: Path) -> None:
    """Fetch what the lock names, by pip's own configuration; the build has no network."""
    path = {**os.environ, "PYTHONPATH": str(Path(pip.__file__).parent.parent)}
    subprocess.run([PYTHON, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes",
                    "--only-binary", ":all:", "-d", base / "wheels", "-r", CHECKOUT / "requirements/daemon.txt"],
                   check=True, timeout=BUILD_BOUND, env=path, stderr=subprocess.DEVNULL)
    (base / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")


def inspected(engine: Engine) -> dict:
    """Return the image's configuration."""
    found: dict = json.loads(engine.done("inspect", "--type", "image", IMAGE))[0]
    return found
