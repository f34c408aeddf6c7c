"""Every route, every kind of asker, every kind of process: who is answered is whom the kernel lets read maps.

What may be seen is known from cat(1) as that user; a denial is compared with what is said of a number that no process
has, byte for byte.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from mapsd.linux.rights.authority import Peer
from tests.api.test_serve import Running, connected
from tests.cli.command import CHECKOUT
from tests.conftest import missing, shown_to_all
from tests.linux.test_authority import BARE, PYTHON, TARGETS, kernel_lets, process

TOKEN, GROUP = "0123456789abcdef", 65531
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# Sends requests that it is given in hexadecimal, each on a connection of its own, and says what came.
ASKS = """
import json, socket, sys
for line in sys.stdin:
    family, address, request = json.loads(line)
    one = socket.socket(family)
    one.connect(address if family == 1 else tuple(address))
    one.sendall(bytes.fromhex(request))
    said = b""
    while part := one.recv(65536):
        said += part
        if request.startswith(b"GET /v1/events".hex()) and b"\\n\\n" in said:
            print("begun", flush=True)
            request = ""
    one.close()
    print(said.hex(), flush=True)
"""


# Runs a program in a root of its own, the directory $0.
ROOTED = """
mount -t tmpfs none "$0"
for one in usr lib lib64 bin etc dev proc; do mkdir "$0/$one"; mount --rbind "/$one" "$0/$one"; done
exec chroot "$0" "$@"
"""


class Kind(NamedTuple):
    """A kind of asker: how it is started, and what it sees: everything, nothing, or what the kernel lets a peer see."""

    prefix: list[str]
    sees: Peer | bool
    via: str = "unix"


ASKERS = {
    "the user": Kind(NOBODY, Peer(65534, 65534, ())),
    "the user with another group": Kind([*NOBODY[:2], "--regid=65533", "--clear-groups"], Peer(65534, 65533, ())),
    "another user": Kind(["setpriv", "--reuid=65533", "--regid=65533", "--groups=65534"], Peer(65533, 65533, (65534,))),
    "a member of the group": Kind(["setpriv", "--reuid=65532", "--regid=65532", f"--groups=7,{GROUP}"], sees=True),
    "root": Kind([], sees=True),
    "root without capabilities": Kind(["setpriv", *BARE], sees=True),
    "a user namespace": Kind([*NOBODY, "unshare", "--user"], sees=False),
    "root of a user namespace": Kind([*NOBODY, "unshare", "--user", "--map-root-user"], sees=False),
    "root of a pid namespace": Kind(["unshare", "--pid", "--fork", "--kill-child"], sees=False),
    "a token": Kind(["setpriv", "--reuid=65530", "--regid=65530", "--clear-groups"], Peer(65534, 65534, (65534,)),
                    "tcp"),
}
OF_PROCESS = {  # operation: requests, each a method, what follows the pid, headers, a body
    "show_process": [("GET", ""), ("GET", "?states=true")],
    "list_mappings": [("GET", "/mappings"), ("GET", "/mappings?files=true&fields=user_path"),
                      ("GET", "/mappings?proof=lookup", "Accept: application/x-ndjson"),
                      ("GET", "/mappings?address=0x1000", 'If-None-Match: "x"'),
                      ("GET", "/mappings?thread={pid}", "Accept-Encoding: gzip"),
                      ("GET", "/mappings?container=true"), ("GET", "/mappings?packages=true&state=current")],
    "explain_mapping": [("GET", "/mappings/0x1000/explain")],
    "explain_mappings": [("GET", "/explain?path=/usr/bin/python3&address=0x1000")],
    "list_layers": [("GET", "/layers"), ("GET", "/layers?container=true")],
    "list_open_files": [("GET", "/fds"), ("GET", "/fds?proof=page-frame"), ("GET", "/fds?container=true")],
    "which_file": [("GET", "/which?path=/etc/passwd"), ("GET", "/which?path=/nowhere"),
                   ("GET", "/which?path=/etc/passwd&container=true")],
    "translate_in_process": [("GET", "/translate?path=/etc/passwd"), ("GET", "/translate?inside=/nowhere"),
                             ("GET", "/translate?device=0:1&inode=2"),
                             ("GET", "/translate?path=/etc/passwd&container=true")],
    "locate_addresses": [("POST", "/addresses", "Content-Type: application/json", '{"addresses": ["0x1000"]}')],
}
OF_NONE = {"list_processes", "list_containers", "translate_everywhere", "examine_kernel", "stream_events",
           "show_health", "show_readiness", "show_metrics"}


class Asker:
    """A process of some kind that asks the daemon."""

    def __init__(self, kind: Kind, daemon: Running) -> None:
        self.kind = kind
        self._address = (1, daemon.path) if kind.via == "unix" else (2, daemon.tcp())
        words = [*kind.prefix, PYTHON, "-S", "-I", "-c", ASKS]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, method: str, target: str, header: str = "X: x", body: str = "") -> None:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", header]
        if self.kind.via == "tcp":
            lines.append(f"Authorization: Bearer {TOKEN}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        request = "\r\n".join([*lines, "", body]).encode()
        self.process.stdin.write(json.dumps([*self._address, request.hex()]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> bytes:
        line = self.process.stdout.readline()
        assert line, self.kind
        return b"begun" if line == "begun\n" else bytes.fromhex(line)

    def ask(self, *request: str) -> bytes:
        self.begin(*request)
        return self.answer()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def parts(said: bytes) -> tuple[int, bytes, bytes]:
    """Return status, head and body of an answer."""
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


def is_absent(said: bytes) -> bool:
    return b"urn:mapsd:problem:absent" in said


def same(said: bytes, pid: int, absent: int) -> bytes:
    """Return an answer about a number as it would be about another one, at no time."""
    dateless, count = re.subn(rb"\r\ndate: [A-Za-z0-9:, ]+ GMT\r\n", b"\r\n", said)
    assert count == 1
    return re.sub(rb"\b%d\b" % pid, b"%d" % absent, dateless)


def free_number_like(pid: int) -> int:
    """Return a number of as many digits that no process or thread has."""
    low = 10 ** (len(str(pid)) - 1)
    return next(number for number in range(10 * low - 1, low, -1) if not os.path.exists(f"/proc/{number}"))


@contextmanager
def running() -> Iterator[Running]:
    """Give the real daemon."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # others connect
        token = f"{directory}/token"
        with open(token, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(TOKEN)
        words = [f"--socket={directory}/socket", "--socket-mode=0666", "--listen=127.0.0.1:0", f"--token-file={token}",
                 f"--group={GROUP}", f"--audit={directory}/audit", "--watch-interval=0.1", "--drain=5"]
        env = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/api"}
        command = [sys.executable, "-m", "mapsd.cli", "serve", *words]
        daemon = Running(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True),
                         f"{directory}/socket")
        try:
            daemon.until_said("listening")
            yield daemon
        finally:
            daemon.close()


@pytest.fixture(scope="module")
def daemon():
    if os.geteuid() != 0 or not os.path.exists(PYTHON):
        missing("root", f"needs root, and {PYTHON}")
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def targets(daemon) -> Iterator[dict[str, int]]:
    with ExitStack() as stack:
        found = {name: stack.enter_context(process(*prefix)) for name, prefix in TARGETS.items()}
        found["another user's"] = stack.enter_context(process("setpriv", *ASKERS["another user"].prefix[1:], *BARE))
        found["non-dumpable"] = stack.enter_context(process(*TARGETS["own"], dumpable=False))
        ended = stack.enter_context(subprocess.Popen([*NOBODY, "true"]))
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        yield {**found, "ended": ended.pid, "the daemon": daemon.process.pid, "kernel thread": 2}


@pytest.fixture(scope="module")
def askers(daemon):
    made = {name: Asker(kind, daemon) for name, kind in ASKERS.items()}
    yield made
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def expected(targets) -> dict[tuple[str, str], bool]:
    """Return whether each asker may see each process, as cat says."""
    return {(asker, target): kind.sees if isinstance(kind.sees, bool) else kernel_lets(kind.sees, pid)
            for asker, kind in ASKERS.items() for target, pid in targets.items()}


def test_the_matrix_has_a_yes_and_a_no_for_whoever_may_see_some(expected):
    for asker, kind in ASKERS.items():
        answers = {yes for (who, _), yes in expected.items() if who == asker}
        assert answers == ({kind.sees} if isinstance(kind.sees, bool) else {True, False}), asker


def test_every_route_is_in_the_matrix(askers):
    document = json.loads(parts(askers["root"].ask("GET", "/v1/openapi.json"))[2])
    routes = {operation["operationId"]: path for path, methods in document["paths"].items()
              for operation in methods.values()}
    assert {name for name, path in routes.items() if "{" in path} == OF_PROCESS.keys()
    assert routes.keys() == OF_PROCESS.keys() | OF_NONE


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("operation", OF_PROCESS)
def test_a_route_about_a_process_answers_whom_the_kernel_would(asker, operation, askers, targets, expected):
    wrong = []
    for request in OF_PROCESS[operation]:
        for target, pid in targets.items():
            method, rest, *others = request
            absent = free_number_like(pid)
            said, of_none = (askers[asker].ask(method, f"/v1/processes/{number}{rest.format(pid=number)}", *others)
                             for number in (pid, absent))
            assert is_absent(of_none)
            assert parts(of_none)[0] == 404
            if is_absent(said) == expected[asker, target]:
                wrong.append((target, request, said[:300]))
            elif is_absent(said) and same(said, pid, absent) != same(of_none, absent, absent):
                wrong.append((target, request, said, of_none))
    assert wrong == []


LISTS = [("GET", "/v1/processes?limit=1000"), ("GET", "/v1/processes?limit=1000&states=true"),
         ("GET", "/v1/processes", "Accept: application/x-ndjson")]


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("request_", LISTS, ids=str)
def test_a_list_has_what_the_asker_may_see_and_nothing_else(asker, request_, askers, targets, expected):
    status, _, body = parts(askers[asker].ask(*request_))
    assert status == 200
    listed = {int(pid) for pid in re.findall(rb'"pid": (\d+)', body)}
    assert {name for name, pid in targets.items() if pid in listed} == {
        name for name in targets if expected[asker, name]}
    if ASKERS[asker].sees is False:
        assert listed == set()


@pytest.fixture(scope="module")
def contained() -> Iterator[set[int]]:
    """Give a process of two users each, and of root, with a root of its own: containers that no engine made."""
    with ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        inside = ["unshare", "--mount", "--propagation=private", "sh", "-c", ROOTED, root]
        yield {stack.enter_context(process(*inside, *prefix))
               for prefix in ([], ASKERS["the user"].prefix, ASKERS["another user"].prefix)}


@pytest.mark.parametrize("asker", ASKERS)
def test_containers_are_listed_with_what_the_asker_may_see_of_them(asker, askers, contained):
    status, _, body = parts(askers[asker].ask("GET", "/v1/containers"))
    assert status == 200
    found, sees = json.loads(body), ASKERS[asker].sees
    listed = [one["pids"] for one in found["containers"] if contained.intersection(one["pids"])]
    assert sorted(listed) == sorted([pid] for pid in contained if (
        sees if isinstance(sees, bool) else kernel_lets(sees, pid)))
    if sees is False:
        assert (found["containers"], found["skipped"], found["denied"]) == ([], [], 0)


SOUGHT = ["path=/etc/passwd", "path=/etc/passwd&container=true", "path=/not/there", "inside=/etc/passwd",
          "device=0:1&inode=2"]


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("sought", SOUGHT)
def test_names_of_a_file_are_told_of_whom_the_asker_may_see_alone(asker, sought, askers, targets, expected):
    status, _, body = parts(askers[asker].ask("GET", f"/v1/translate?{sought}"))
    assert status == 200
    views = json.loads(body)["views"]
    told = {pid for view in views for pid in view["pids"]}
    assert all(view["process"]["pid"] in view["pids"] for view in views)
    alive = {name: pid for name, pid in targets.items() if name != "ended"}
    assert {name for name, pid in alive.items() if pid in told} == {name for name in alive if expected[asker, name]}
    if ASKERS[asker].sees is False:
        assert views == []


def test_no_name_is_found_out_that_the_asker_did_not_know(daemon, askers, targets, tmp_path):
    del daemon
    shown_to_all(tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "secret").write_text("text")
    os.link(closed / "secret", closed / "another")
    os.link(closed / "secret", tmp_path / "known")
    closed.chmod(0o700)
    seen = os.stat(closed / "secret")
    numbers = f"device={os.major(seen.st_dev)}:{os.minor(seen.st_dev)}&inode={seen.st_ino}"
    for pid in (targets["own"],):
        for sought in (numbers, f"path={tmp_path}/known"):
            for route in (f"/v1/processes/{pid}/translate", "/v1/translate"):
                said = askers["the user"].ask("GET", f"{route}?{sought}")
                assert parts(said)[0] == 200
                assert not [word for word in (b"secret", b"another") if word in said], (route, sought)
    root = askers["root"].ask("GET", f"/v1/processes/{targets['own']}/translate?path={tmp_path}/known")
    assert b"known" in root


@pytest.mark.parametrize("asker", ASKERS)
def test_what_is_counted_is_for_those_who_see_everything(asker, askers):
    status, _, body = parts(askers[asker].ask("GET", "/v1/metrics"))
    if ASKERS[asker].sees is True:
        assert (status, b"mapsd" in body) == (200, True)
    else:
        assert status == 403
        assert json.loads(body)["type"] == "urn:mapsd:problem:forbidden"


@pytest.mark.parametrize("path", ["/v1/kernel", "/v1/healthz", "/v1/readyz"])
def test_what_is_said_of_the_daemon_is_the_same_for_all(path, askers):
    answers = {re.sub(rb'date: [^\r]+|"as_of": "[^"]+"', b"", one.ask("GET", path)) for one in askers.values()}
    assert len(answers) == 1
    assert parts(answers.pop())[0] == 200


@pytest.mark.parametrize("cursor", ["/v1/processes?limit=1"])
def test_a_cursor_is_its_owner_s_alone(cursor, askers):
    following = json.loads(parts(askers["root"].ask("GET", cursor))[2])["next"]
    for name, asker in askers.items():
        status, _, body = parts(asker.ask("GET", f"{cursor}&cursor={following}"))
        assert (status == 200) == (name in {"root", "root without capabilities"}), name
        assert status == 200 or json.loads(body)["type"] == "urn:mapsd:problem:cursor-expired"


def test_every_look_across_users_is_in_the_audit(daemon, askers, targets):
    pid = targets["root"]
    for asker in ("root", "another user", "a token", "root of a user namespace"):
        askers[asker].ask("GET", f"/v1/processes/{pid}/layers")
    askers["the user"].ask("GET", f"/v1/processes/{targets['own']}/layers")
    with open(f"{os.path.dirname(daemon.path)}/audit", encoding="ascii") as file:
        noted = [json.loads(line) for line in file][-4:]
    assert {(line["operation"], line["pid"]) for line in noted} == {("list_layers", pid)}
    assert [(line["uid"], line["via"], line["foreign"], line["process_uid"], line["outcome"]) for line in noted] == [
        (0, "unix", False, 0, "answered"), (65533, "unix", False, None, "absent"),
        (65534, "tcp", False, None, "absent"), (65534, "unix", True, None, "absent")]
    assert [line["start_time"] is None for line in noted] == [False, True, True, True]


def test_events_tell_of_what_the_asker_may_see_and_nothing_else(askers):
    del askers  # where these cannot be started, neither can those of this test
    with running() as daemon, ExitStack() as stack:
        listening = {name: stack.enter_context(listener(kind, daemon)) for name, kind in ASKERS.items()}
        root = Told(daemon)
        stack.callback(root.close)
        with ExitStack() as started:
            pids = {name: started.enter_context(process(*prefix)) for name, prefix in TARGETS.items()}
            expected = {(asker, name): kind.sees if isinstance(kind.sees, bool) else kernel_lets(kind.sees, pid)
                        for asker, kind in ASKERS.items() for name, pid in pids.items()}
            root.until_all_are_told()
        root.until_all_are_told()
        daemon.signal(signal.SIGTERM)
        for asker, one in listening.items():
            told = events(one.answer())
            for name, pid in pids.items():
                assert (asker, name, {kind for kind, other in told if other == pid}) == (
                    asker, name, {"seen", "gone"} if expected[asker, name] else set())
            if ASKERS[asker].sees is False:
                assert told == set()


@contextmanager
def listener(kind: Kind, daemon: Running) -> Iterator[Asker]:
    made = Asker(kind, daemon)
    try:
        made.begin("GET", "/v1/events")
        assert made.answer() == b"begun"
        yield made
    finally:
        made.close()


def events(said: bytes) -> set[tuple[str, int]]:
    """Return what was told: kind and pid."""
    return {(kind.decode(), int(pid)) for kind, pid in re.findall(rb'event: (\w+)\r?\ndata: {"pid": (\d+)', said)}


class Told:
    """What root is told, as it comes."""

    def __init__(self, daemon: Running) -> None:
        self._connection = connected(daemon.path)
        self._connection.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        self._said = b""
        self._until(lambda: b"\n\n" in self._said)

    def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            part = self._connection.recv(65536)
            assert part, self._said
            self._said += part

    def until_all_are_told(self) -> None:
        """Wait until what is so now was told to everybody: when root is told of a second look, one is over."""
        for _ in range(2):
            with process() as pid:
                self._until(lambda pid=pid: ("seen", pid) in events(self._said))

    def close(self) -> None:
        self._connection.close()
