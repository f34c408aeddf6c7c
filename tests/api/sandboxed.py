"""Run as root in a machine of its own (tests.api.booted): what the daemon answers there, started by its unit.

Writes DIR/answer.json: for each way to start it how that went, and what it said of one process in a container.
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.inside import opened
from tests.overlay.scenes import Scene
from tests.overlay.truth import compare

SOCKET, UNIT = "/run/mapsd/mapsd.sock", "mapsd.service"
MAPPER = Path("/opt/mapper")
NOBODY, ROOT = 65534, 0
DROP_IN = Path(f"/run/systemd/system/{UNIT}.d/50-trial.conf")
TOLD = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
BOUND = 20.0  # seconds


class UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(BOUND)
        self.sock.connect(SOCKET)


def said(path: str, connection: http.client.HTTPConnection | None = None, **headers: str) -> tuple[int, dict]:
    """Return the status and the JSON of an answer."""
    asking = connection or UnixConnection("localhost")
    try:
        asking.request("GET", path, headers=headers)
        answer = asking.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        asking.close()


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=BOUND, check=False, **options)


def properties(*names: str) -> dict[str, str]:
    shown = run("systemctl", "show", UNIT, *(f"--property={name}" for name in names)).stdout
    return dict(line.partition("=")[::2] for line in shown.splitlines())


@contextmanager
def started(drop_in: str = "") -> Iterator[dict]:
    """Start the daemon with lines of [Service] that are added to its unit, and give how that went."""
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text(f"[Service]\nRestart=no\n{drop_in}\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed", UNIT)
    done = run("systemctl", "start", UNIT)
    try:
        yield {"started": done.returncode == 0, **properties("ExecMainStatus", "StatusText", "Result")}
    finally:
        run("systemctl", "stop", UNIT)
        DROP_IN.unlink()
        run("systemctl", "daemon-reload")


def log() -> str:
    """Return what the unit has said so far."""
    run("journalctl", "--sync")
    return run("journalctl", "--no-pager", "--quiet", "--output=cat", f"--unit={UNIT}").stdout


def without(name: str) -> str:
    """Return lines that take one capability away."""
    sets = {key: [one for one in held.split() if one.upper() != name] for key, held in capabilities().items()}
    return "".join(f"{key}=\n{key}={' '.join(held)}\n" for key, held in sets.items())


def capabilities() -> dict[str, str]:
    return {key: held.upper() for key, held in properties("CapabilityBoundingSet", "AmbientCapabilities").items()}


def laid(lab: Path) -> Scene:
    """Return a container whose files are in a store that only root may look into, as engines keep theirs."""
    scene = Scene("the unit's sandbox", lab, MAPPER)
    scene.upper(scene.base / "store/upper")
    for name in ("lower1", "lower2"):
        scene.lower(scene.base / "store" / name)
    lay(scene, "round")
    (scene.base / "store").chmod(0o700)
    scene.mount()
    scene.start()
    scene.contain()
    happen(scene, "round")
    return scene


def about(scene: Scene, proof: str = "auto") -> dict:
    """Return what the daemon says of the scene's process, and what of it is wrong."""
    status, answer = said(f"/v1/processes/{scene.target.pid}/mappings?proof={proof}")
    if status != 200:
        return {"status": status, "answer": answer}
    return {"status": status, **judged(scene, answer)}


def judged(scene: Scene, answer: dict) -> dict:
    found = {int(one["start"], 16): one for one in answer["mappings"]}
    mine = [found[claim.address] for claim in scene.claims]
    return {"wrong": compare(scene, "the daemon, outside", found, opened), "mappings": mine,
            "known": {"backing": sum(one["backing"] is not None for one in mine),
                      "path": sum(bool(one["backing"] and one["backing"]["path"]) for one in mine),
                      "user_path": sum(one["user_path"] is not None for one in mine),
                      "host_path": sum(one["host_path"] is not None for one in mine),
                      "state": sum(one["state"] != "unknown" for one in mine)},
            "needs": sorted({name for one in mine for name in one["needs"] or ()})}


def of_each(scene: Scene, ways: dict[str, str]) -> dict[str, dict]:
    """Return, for each way to start the daemon, how that went and what it then says."""
    found = {}
    for name, drop_in in ways.items():
        before = len(log())
        with started(drop_in) as how:
            asked = {} if not how["started"] else {
                "auto": about(scene), "lookup": about(scene, "lookup"), "kernel": said("/v1/kernel")[1]}
        found[name] = {**how, **asked, "log": log()[before:]}
    return found


def routes(scene: Scene) -> dict[str, int]:
    """Return the status with which each question about the scene's process is answered."""
    process, address = f"/v1/processes/{scene.target.pid}", hex(scene.claims[0].address)
    asked = ("/v1/processes?states=true", process, f"{process}/mappings", f"{process}/mappings?packages=true",
             f"{process}/layers?container=true", f"{process}/mappings/{address}/explain",
             f"{process}/layers", f"{process}/fds", f"{process}/which?path=/round/plain-s", "/v1/kernel", "/v1/healthz",
             "/v1/readyz", "/v1/openapi.json")
    return {path.replace(process, "PROCESS").replace(address, "ADDRESS"): said(path)[0] for path in asked}


def unconfined(scene: Scene) -> dict:
    """Return what the command says as the daemon's user with the same capabilities, and no sandbox around it."""
    names = [name.removeprefix("CAP_").lower() for name in capabilities()["AmbientCapabilities"].split()]
    prefix = ["setpriv", "--reuid=mapsd", "--regid=mapsd", "--clear-groups",
              f"--inh-caps=-all,{','.join(f'+{name}' for name in names)}",
              f"--ambient-caps={','.join(f'+{name}' for name in names)}", "mapsd"]
    host = "--host-root=/proc/1/root"
    answer = json.loads(run(*prefix, "lookup", str(scene.target.pid), "--json", host).stdout)
    return {"auto": judged(scene, answer), "kernel": json.loads(run(*prefix, "doctor", "--json", host).stdout)}


def as_root(scene: Scene, proof: str = "auto") -> dict:
    """Return what the command says on the machine itself."""
    return judged(scene, json.loads(run("mapsd", "lookup", str(scene.target.pid), "--json", f"--proof={proof}").stdout))


def as_user(uid: int, work: Callable[[], object]) -> object:
    """Return what a child with a user's ids, in the group that may connect, finds."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([int(run("getent", "group", "mapsd").stdout.split(":")[2])])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    return json.loads(told or b"null")


def peers(scene: Scene) -> dict:
    """Return what a user sees of a process of its own and of root's, and what root sees."""
    own = subprocess.Popen(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sleep", "60"])
    try:
        pids = {"own": own.pid, "root's": scene.target.pid, "daemon": int(properties("MainPID")["MainPID"])}
        wait(lambda: os.stat(f"/proc/{own.pid}").st_uid == NOBODY)
        statuses = {whose: as_user(NOBODY, lambda pid=pid: said(f"/v1/processes/{pid}/mappings")[0])
                    for whose, pid in pids.items()}
        listed = as_user(NOBODY, lambda: [one["pid"] for one in said("/v1/processes?limit=1000")[1]["processes"]])
        everything = [one["pid"] for one in said("/v1/processes?limit=1000")[1]["processes"]]
    finally:
        own.kill()
        own.wait()
    return {"statuses": statuses, "listed": listed == [own.pid], "root": set(pids.values()) <= set(everything)}


def later(lab: Path) -> dict:
    """Return what is said of a container that is made while the daemon runs, in a store whose mounts are private."""
    with started(), laid(lab) as scene:
        return about(scene)


def confined() -> dict:
    """Return what a program may do that is run in the daemon's place."""
    path = TOLD / "confined"
    program = f"{sys.executable} -P -m tests.api.confined"
    environment = f"PYTHONPATH={os.environ['PYTHONPATH']}"
    with started(f"Type=oneshot\nExecStart=\nExecStart={program}\nEnvironment={environment}\n"
                 f"StandardOutput=file:{path}"):
        return json.loads(path.read_text())


def verified(full: str) -> list[str]:
    """Return what systemd has to say about the units, with every drop-in."""
    drop_in = DROP_IN.with_name("full-proof.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\n{full}")
    done = run("systemd-analyze", "verify", "--man=no", UNIT, "mapsd.socket", "mapsd-tcp.socket")
    drop_in.unlink()
    return [line for line in done.stderr.splitlines() if "mapsd" in line]


def life() -> dict:
    """Return how the daemon is started by a question, read again and ended."""
    run("systemctl", "stop", UNIT)
    first = said("/v1/healthz")[0]
    pid = properties("MainPID")["MainPID"]
    before = len(log())
    reload = run("systemctl", "reload", UNIT).returncode
    wait(lambda: '"reloaded"' in log()[before:])
    alive = properties("MainPID", "ActiveState")
    run("systemctl", "stop", UNIT)
    return {"first": first, "reload": reload, "same": alive == {"MainPID": pid, "ActiveState": "active"},
            **properties("ExecMainStatus", "Result"), "socket": os.path.exists(SOCKET)}


def tcp() -> dict:
    """Return what TCP answers to the token and without it; the service manager listens."""
    Path("/etc/mapsd").mkdir()
    Path("/etc/mapsd/mapsd.toml").write_text('token_file = "/etc/mapsd/token"\ntoken_user = 0\n')
    token = Path("/etc/mapsd/token")
    token.write_text("a-token-of-the-trial\n")
    token.chmod(0o600)
    run("systemctl", "start", "mapsd-tcp.socket")

    def status(**headers: str) -> int:
        return said("/v1/processes/1", http.client.HTTPConnection("127.0.0.1", 8127, timeout=BOUND), **headers)[0]
    with started() as how:
        return {**how, "with": status(Authorization="Bearer a-token-of-the-trial"), "without": status(),
                "unix": said("/v1/processes/1")[0], "log": log()}


def wait(true: Callable[[], object]) -> None:
    end = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < end, "never became true"
        time.sleep(0.01)


def main() -> None:
    lab = Path("/srv/lab")
    lab.mkdir()
    kernel.mount("lab", lab, "tmpfs")
    kernel.mount("none", lab, None, kernel.MS_PRIVATE)
    run("systemctl", "start", "mapsd.socket")
    names = capabilities()["AmbientCapabilities"].split()
    full = re.sub(r"(?m)^(#.*|\[.*)\n", "", Path("/opt/mapsd/deploy/systemd/full-proof.conf").read_text())
    ways = {"unit": "", **{f"without {name}": without(name) for name in names}, "full-proof": full}
    with laid(lab) as scene:
        answer = {"capabilities": capabilities(), "ways": of_each(scene, ways), "unconfined": unconfined(scene)}
        with started():
            answer |= {"peers": peers(scene), "routes": routes(scene)}
        answer |= {"root": as_root(scene), "root_lookup": as_root(scene, "lookup")}
    answer |= {"verified": verified(full), "later": later(lab), "confined": confined(), "life": life(), "tcp": tcp()}
    (TOLD / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        print(log()[-4000:])
        raise
