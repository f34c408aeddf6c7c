"""Real engines in a mount namespace that only they see, with stores and sockets of their own. No network."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.engines.images import LAB, Image

USER, UID, FIRST = "mapsd-lab", 61_234, 6_000_000  # an unprivileged user, its id, and the first of those it may give
BOUND = 60.0  # seconds
_ENGINES = ("podman", "runc", "crun", "conmon", "containerd", "ctr", "dockerd", "docker", "fuse-overlayfs", "newuidmap",
            "lxc-start", "nsenter", "setpriv", "gcc")
GROUP = f"mapsd-{os.getpid()}"  # what containerd calls a namespace: runc keeps states by it for the whole machine
MAPPED = [f"/{LAB}/libro.so", f"stale:/{LAB}/libstale.so", f"gone:/{LAB}/libgone.so", f"repl:/{LAB}/librepl.so",
          f"upd:/{LAB}/libupd.so", f"/{LAB}/libover.so", f"/{LAB}/opq/libnew.so"]
MAPPED_DEEP = [f"/{LAB}/libro.so", f"/{LAB}/deep/lib001.so", f"stale:/{LAB}/deep/lib002.so", f"/{LAB}/deep/lib100.so"]
_CONF = """[containers]
netns = "none"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
_CONTAINERD = """version = 2
root = "{0}/root"
state = "{0}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs"]
[grpc]
  address = "{0}/containerd.sock"
"""


def lacking() -> str:
    """Return what is not installed, empty where all is."""
    os.environ["PATH"] = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return ", ".join(name for name in _ENGINES if shutil.which(name) is None)


class Running(NamedTuple):
    """A container as its engine says that it is: *lowers* are the directories of its layers, the topmost first."""

    name: str | None
    id: str
    pid: int
    image: Image
    image_name: str
    image_id: str
    image_digest: str | None
    lowers: list[str]


class Engine(NamedTuple):
    """Containers that run; *stop* ends whatever of the engine runs beside them."""

    name: str
    containers: list[Running]
    stop: Callable[[], None]


class Space:
    """A mount namespace: /dev/fuse is open to all in it, and there is an unprivileged user."""

    def __init__(self, base: Path) -> None:
        self.base = base
        base.chmod(0o755)
        for name, line in (("passwd", f"{USER}:x:{UID}:{UID}::{base}/home:/bin/sh\n"), ("group", f"{USER}:x:{UID}:\n"),
                           ("subuid", f"{USER}:{FIRST}:65536\n"), ("subgid", f"{USER}:{FIRST}:65536\n")):
            old = Path("/etc", name)
            (base / name).write_text((old.read_text() if old.exists() else "") + line)
        (base / "containers.conf").write_text(_CONF)
        (base / "home").mkdir()
        os.chown(base / "home", UID, UID)
        script = "".join(f"touch /etc/{name}; mount --bind {base}/{name} /etc/{name};"
                         for name in ("passwd", "group", "subuid", "subgid"))
        script += f"mknod -m 666 {base}/fuse c 10 229; mount --bind {base}/fuse /dev/fuse; echo; exec sleep 3600"
        self.process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-ec", script],
                                        stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"\n"

    def close(self) -> None:
        """End what is left of what was started in it, and the namespace."""
        for pid in self.left():
            _kill(pid)
        self.process.kill()
        self.process.communicate()

    def left(self) -> list[int]:
        """Return the processes that have our directory among their arguments, and their children, these first."""
        ours = os.fsencode(self.base) + b"/"
        everyone = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        found = [pid for pid in everyone if ours in text_of(pid, "cmdline") and pid != self.process.pid]
        return [pid for pid in everyone if _parent(pid) in found and pid not in found] + found

    def inside(self, *words: object) -> list[str]:
        return ["nsenter", "-t", str(self.process.pid), "-m", "-w/", *map(str, words)]

    def run(self, *words: object, check: bool = True) -> str:
        """Return what a command in the namespace prints."""
        env = {**os.environ, "CONTAINERS_CONF": f"{self.base}/containers.conf"}
        done = subprocess.run(self.inside(*words), capture_output=True, text=True, timeout=BOUND, check=False, env=env)
        assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        with (self.base / "log").open("ab") as log:
            return subprocess.Popen(self.inside(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    start_new_session=True)


def until(ask: Callable[[], object], what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + BOUND
    while not ask():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def is_ready(pid: int) -> bool:
    """Return whether the mapper has mapped all: it then has another name."""
    return text_of(pid, "comm") == b"ready\n"


@contextmanager
def podman(space: Space, images: dict[str, Image], name: str, before: Sequence[str] = (), options: Sequence[str] = (),
           containers: Sequence[str] = ("app", "app", "deep"), more: Sequence[str] = (),
           mapped: Sequence[str] = MAPPED, unused: Sequence[str] = ()) -> Iterator[Engine]:
    """Run Podman, with *before* in front of it, *options* of its own, *more* for each container.

    *unused* are further images that it has.
    """
    base = space.base / name
    space.run("install", "-d", "-m", "755", *(("-o", UID, "-g", UID) if before else ()), base)
    stores = [*before, "podman", "--root", base / "store", "--runroot", base / "run", "--tmpdir", base / "tmp",
              "--storage-driver", "overlay", *options]
    try:
        for one in {*containers, *unused}:
            space.run(*stores, "load", "-q", "-i", images[one].archive)
        names = [f"{base.name}-{number}" for number in range(len(containers))]
        for called, one in zip(names, containers, strict=True):
            space.run(*stores, "run", "-d", "--name", called, *more, f"localhost/{images[one].name}", "mapper",
                      *(mapped if one == "app" else MAPPED_DEEP))
        seen = json.loads(space.run(*stores, "inspect", *names))
        running = [_of_podman(one, images[image]) for one, image in zip(seen, containers, strict=True)]
        until(lambda: all(is_ready(one.pid) for one in running), "the mappers map")
        yield Engine(name, running, lambda: None)
    finally:
        space.run(*stores, "rm", "-f", "-t", "0", "-a", check=False)
        pause = base / "tmp/pause.pid"
        if pause.exists():
            os.kill(int(pause.read_text()), signal.SIGKILL)
        space.run("umount", base / "store/overlay", check=False)


def _of_podman(seen: dict, image: Image) -> Running:
    lowers = ((seen["GraphDriver"]["Data"] or {}).get("LowerDir") or "").split(":")
    return Running(seen["Name"], seen["Id"], seen["State"]["Pid"], image, seen["ImageName"], "sha256:" + seen["Image"],
                   seen.get("ImageDigest"), lowers)


def as_user(space: Space, base: str) -> list[str]:
    """Return what runs a command as the unprivileged user, with a clean environment."""
    runtime = space.base / f"{base}-xdg"
    runtime.mkdir(mode=0o700)
    os.chown(runtime, UID, UID)
    return ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups", "--inh-caps=-all", "env", "-i",
            "PATH=/usr/bin:/bin:/usr/sbin:/sbin", f"HOME={space.base}/home", f"USER={USER}",
            f"XDG_RUNTIME_DIR={runtime}", f"CONTAINERS_CONF={space.base}/containers.conf"]


@contextmanager
def docker(space: Space, images: dict[str, Image], name: str = "docker", options: Sequence[object] = ("-s", "overlay2"),
           containers: Sequence[str] = ("app", "app", "deep")) -> Iterator[Engine]:
    """Run dockerd; without it the containers go on (--live-restore)."""
    base = space.base / name
    base.mkdir()
    daemon = space.start("dockerd", "--data-root", base / "data", "--exec-root", base / "exec", "--pidfile",
                         base / "pid", "-H", f"unix://{base}/sock", "--bridge=none", "--iptables=false",
                         "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--live-restore", *options)
    client = ["docker", "-H", f"unix://{base}/sock"]
    pids: list[int] = []
    try:
        until(lambda: space.run(*client, "version", "-f", "{{.Server.Os}}", check=False).strip(), "dockerd answers")
        for image in set(containers):
            space.run(*client, "load", "-q", "-i", images[image].archive)
        wanted = {f"{name}-{number}": image for number, image in enumerate(containers)}
        for called, image in wanted.items():
            space.run(*client, "run", "-d", "--name", called, "--network=none", images[image].name, "mapper",
                      *(MAPPED if image == "app" else MAPPED_DEEP))
        seen = json.loads(space.run(*client, "inspect", *wanted))
        running = [_of_docker(one, images[image]) for one, image in zip(seen, wanted.values(), strict=True)]
        # Each has a shim above it, which is left where a test ends the container.
        pids += [pid for one in running for pid in (one.pid, _parent(one.pid))]
        until(lambda: all(is_ready(one.pid) for one in running), "the mappers map")
        yield Engine(name, running, lambda: _end(daemon))
    finally:
        for pid in pids:
            _kill(pid)
        _end(daemon)


def _of_docker(seen: dict, image: Image) -> Running:
    own, *lowers = (seen["GraphDriver"]["Data"] or {"LowerDir": "-init/diff"})["LowerDir"].split(":")
    assert own.endswith("-init/diff")
    return Running(seen["Name"][1:], seen["Id"], seen["State"]["Pid"], image, seen["Config"]["Image"], seen["Image"],
                   None, lowers)


@contextmanager
def containerd(space: Space, images: dict[str, Image], name: str = "containerd", snapshotter: str = "overlayfs",
               containers: Sequence[str] = ("app", "app", "deep")) -> Iterator[Engine]:
    """Run containerd; without it the containers go on."""
    base = space.base / name
    base.mkdir()
    (base / "config.toml").write_text(_CONTAINERD.format(base))
    daemon = space.start("containerd", "-c", base / "config.toml")
    client = ["ctr", "-a", base / "containerd.sock", "-n", GROUP]
    pids: list[int] = []
    try:
        until(lambda: space.run(*client, "version", check=False), "containerd answers")
        for image in set(containers):
            space.run(*client, "images", "import", "--snapshotter", snapshotter, images[image].archive)
        wanted = {f"{name}-{number}": image for number, image in enumerate(containers)}
        for called, image in wanted.items():
            space.run(*client, "run", "--snapshotter", snapshotter, "-d", f"docker.io/{images[image].name}", called,
                      "/bin/mapper", *(MAPPED if image == "app" else MAPPED_DEEP))
        tasks = dict(line.split()[:2] for line in space.run(*client, "tasks", "ls").splitlines()[1:])
        digests = dict(line.split()[:3:2] for line in space.run(*client, "images", "ls").splitlines()[1:])
        running = [_of_ctr(space, client, called, int(tasks[called]), images[image], digests)
                   for called, image in wanted.items()]
        # Each has a shim above it, which is left where a test ends the container.
        pids += [pid for one in running for pid in (one.pid, _parent(one.pid))]
        until(lambda: all(is_ready(one.pid) for one in running), "the mappers map")
        yield Engine(name, running, lambda: _end(daemon))
    finally:
        for pid in pids:
            _kill(pid)
        _end(daemon)


def _of_ctr(space: Space, client: list, name: str, pid: int, image: Image, digests: dict[str, str]) -> Running:
    seen = json.loads(space.run(*client, "containers", "info", name))
    mounts = space.run(*client, "snapshots", "--snapshotter", seen["Snapshotter"], "mounts", "/x", seen["SnapshotKey"])
    lowers = mounts.partition("lowerdir=")[2].split(",")[0].split("\n")[0].split(":")
    # Of the configuration ctr has no word: it is what was imported.
    return Running(None, seen["ID"], pid, image, seen["Image"], image.id, digests[seen["Image"]], lowers)


@contextmanager
def lxc(space: Space, rootfs: Path) -> Iterator[Engine]:
    """Run a container of LXC on an overlay of a directory."""
    base = space.base / "lxc"
    (base / "web/delta0").mkdir(parents=True)
    (base / "web/config").write_text("\n".join([
        "lxc.uts.name = other", f"lxc.rootfs.path = overlay:{rootfs}:{base}/web/delta0", "lxc.net.0.type = empty",
        "lxc.apparmor.profile = unconfined", "lxc.mount.auto = proc:mixed", f"lxc.init.cmd = /bin/mapper {MAPPED[0]}"]))
    space.run("lxc-start", "-P", base, "-n", "web", "-d")
    try:
        pid = int(space.run("lxc-info", "-P", base, "-n", "web", "-pH"))
        until(lambda: is_ready(pid), "the mapper maps")
        yield Engine("lxc", [Running("web", "web", pid, None, "", "", None, [])], lambda: None)  # type: ignore[arg-type]
    finally:
        space.run("lxc-stop", "-P", base, "-n", "web", "-k", check=False)


def text_of(pid: int, name: str) -> bytes:
    """Return a file of a process, empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _parent(pid: int) -> int:
    fields = text_of(pid, "stat").rpartition(b") ")[2].split()
    return int(fields[1]) if fields else 0


def _kill(pid: int) -> None:
    if pid > 1:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        until(lambda: text_of(pid, "stat").rpartition(b") ")[2][:1] in {b"", b"Z"}, "an end")


def _end(daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is None:
        daemon.terminate()
        daemon.wait(BOUND)
