"""Who is at the other end of a connection: what the kernel says of real processes in real namespaces."""

import asyncio
import json
import os
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mapsd.errors import NoAuthority
from mapsd.linux import syscalls
from mapsd.linux.rights.authority import Peer
from mapsd_api.asker import peer
from mapsd_api.asker.peer import Connection, Home, home, peer_of
from mapsd_api.connection.connections import Limits
from mapsd_api.connection.peerprotocol import protocols
from mapsd_api.connection.server import Door, Server
from mapsd_api.listening.listener import Listener
from tests.conftest import missing

PYTHON = "/usr/bin/python3"  # one that every user may execute
CONNECTS = ("import socket, sys; one = socket.socket(socket.AF_UNIX); one.connect(bytes.fromhex(sys.argv[1])); "
            "sys.stdin.read()")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65533"]


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0 or not os.path.exists(PYTHON):
        missing("root", f"needs root, and {PYTHON}")


@contextmanager
def connected(*prefix: str) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """Give a connection that a program has made, and the program, which ends with the block."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # an abstract name of the kernel's choice: everybody may connect
        listener.listen()
        words = [*prefix, PYTHON, "-S", "-I", "-c", CONNECTS, os.fsencode(listener.getsockname()).hex()]
        with subprocess.Popen(words, stdin=subprocess.PIPE) as program:
            try:
                listener.settimeout(30)
                made, _ = listener.accept()
                with made:
                    yield made, program
            finally:
                program.kill()


def test_we_ourselves_are_no_strangers():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours, home()) == Peer(os.geteuid(), os.getegid(), tuple(os.getgroups()))


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("count", [0, 3, 64, 65, 3000])
def test_a_user_is_known_with_all_groups(count):
    groups = tuple(range(1000, 1000 + count))
    chosen = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    with connected(*NOBODY, chosen) as (connection, _):
        assert peer_of(connection, home()) == Peer(65534, 65533, groups)


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("space", [["--user"], ["--user", "--map-root-user"], ["--pid", "--fork", "--kill-child"],
                                   ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"]])
@pytest.mark.parametrize("user", [[], [*NOBODY, "--clear-groups"]])
def test_a_process_of_another_user_or_pid_namespace_is_a_stranger(space, user):
    if user and "--user" not in space:
        space = [*space, *user]
        user = []
    with connected(*user, "unshare", *space) as (connection, _):
        assert peer_of(connection, home()).foreign


@pytest.mark.usefixtures("as_root")
def test_other_namespaces_make_no_stranger():
    with connected("unshare", "--mount", "--uts", "--ipc", "--cgroup") as (connection, _):
        assert not peer_of(connection, home()).foreign


@pytest.mark.usefixtures("as_root")
def test_who_has_ended_is_a_stranger():
    with connected() as (connection, program):
        program.kill()
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        assert peer_of(connection, home()).foreign
        program.wait()
        assert peer_of(connection, home()).foreign


class Older:
    """A connection on a kernel that lacks an option of sockets."""

    def __init__(self, connection: socket.socket, lacks: int) -> None:
        self._connection, self._lacks = connection, lacks

    def fileno(self) -> int:
        return self._connection.fileno()

    def getsockopt(self, level: int, option: int, *size: int) -> int | bytes:
        if option == self._lacks:
            raise OSError(92, "Protocol not available")
        return self._connection.getsockopt(level, option, *size)


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("space", [[], ["unshare", "--user"], ["unshare", "--pid", "--fork", "--kill-child"]])
def test_a_kernel_without_peer_pidfds_says_the_same_of_who_lives(space):
    with connected(*space) as (connection, program):
        older = Older(connection, 77)
        assert peer_of(older, home()) == peer_of(connection, home())
        program.kill()
        program.wait()
        assert peer_of(older, home()).foreign


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("space", [[], ["unshare", "--user"], ["unshare", "--pid", "--fork", "--kill-child"]])
def test_procfs_says_what_the_pidfd_says_and_nothing_of_who_has_ended(space):
    with connected(*space) as (connection, program):
        pidfd = connection.getsockopt(socket.SOL_SOCKET, 77)
        try:
            assert peer._read(pidfd, b"/proc") == peer._namespaces(pidfd, b"/proc")
            program.kill()
            select.select([pidfd], [], [])
            with pytest.raises(OSError, match=r"No such (file|process)|Permission"):
                peer._read(pidfd, b"/proc")
            with pytest.raises((OSError, ValueError)):
                peer._namespaces(pidfd, b"/proc")
        finally:
            os.close(pidfd)


def test_what_is_no_number_of_ours_is_a_stranger():
    here = home()
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert not peer_of(ours, here._replace(unmapped=frozenset({65534}) - {os.geteuid(), os.getegid()})).foreign
        assert peer_of(ours, here._replace(unmapped=frozenset({os.geteuid()}))).foreign
        assert peer_of(ours, here._replace(unmapped=frozenset({os.getegid()}))).foreign


@pytest.mark.usefixtures("as_root")
def test_in_a_user_namespace_there_are_numbers_that_stand_for_others():
    found = subprocess.run(["unshare", "--user", "--map-root-user", PYTHON, "-c", INSIDE, *paths()],
                           capture_output=True, text=True, check=False)
    if found.returncode:
        missing("root", f"a user namespace cannot read this checkout: {found.stderr}")
    assert found.stdout.split() == ["65534"]
    assert home().unmapped == frozenset()


INSIDE = "import sys; sys.path[:0] = sys.argv[1:]; from mapsd_api.asker.peer import home; print(*home().unmapped)"


def paths() -> list[str]:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [root, f"{root}/api"]


@pytest.mark.usefixtures("as_root")
def test_peers_live_where_the_procfs_numbers_processes_not_where_the_daemon_is():
    before, _open = socket.socketpair(socket.AF_UNIX)

    def daemon(of_machine: socket.socket) -> list[object]:
        ours, _theirs = socket.socketpair(socket.AF_UNIX)
        return [os.getpid(), *(peer_of(one, home()).foreign for one in (of_machine, ours, before))]

    def machine() -> object:
        syscalls.mount(b"none", b"/", None, 1 << 18 | 1 << 14)
        syscalls.mount(b"proc", b"/proc", b"proc")
        of_machine, _theirs = socket.socketpair(socket.AF_UNIX)
        return first_of_a_pid_namespace(lambda: daemon(of_machine))
    assert first_of_a_pid_namespace(machine) == [1, False, True, True]
    before.close()
    _open.close()


def first_of_a_pid_namespace(ask: Callable[[], object]) -> object:
    """Return what *ask* returns in the first process of a pid namespace, which has a mount namespace of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            syscalls.unshare(0x20000000 | 0x20000)  # CLONE_NEWPID is for children, CLONE_NEWNS for both
            first = os.fork()
            if not first:
                os.write(writer, json.dumps(tried(ask)).encode())
                os._exit(0)
            os.waitpid(first, 0)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        text = file.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def tried(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  (told to the test)
        return repr(error)


@pytest.mark.parametrize("procfs", [b"/nowhere", b"/etc"])
def test_where_processes_are_not_numbered_peers_are_not_judged(procfs):
    with pytest.raises(NoAuthority):
        home(procfs)


async def says_who(scope, receive, send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    text = repr(scope["state"]["connection"]).encode()
    length = (b"content-length", b"%d" % len(text))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": text})


@contextmanager
def served(here: Home, limits: Limits) -> Iterator[dict[str, tuple[int, object]]]:
    """Give the families and addresses at which a server says who asks."""
    unix, tcp = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET)
    unix.bind("")
    tcp.bind(("127.0.0.1", 0))
    for one in (unix, tcp):
        one.listen()
    listeners = [Listener(unix, "unix", ""), Listener(tcp, "tcp", "")]
    started = threading.Event()
    addresses = {"unix": (socket.AF_UNIX, unix.getsockname()), "tcp": (socket.AF_INET, tcp.getsockname())}
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        server = Server(says_who, Door(listeners, protocols(here), None), started.set, lambda: None)
        server.bound(limits, 5.0)
        thread = threading.Thread(target=lambda: runner.run(server.serve()))
        thread.start()
        try:
            assert started.wait(30)
            yield addresses
        finally:
            loop.call_soon_threadsafe(server.stop)
            thread.join()
    unix.close()
    tcp.close()


def ask(address: tuple[int, object], *extra: bytes) -> tuple[socket.socket, bytes]:
    """Return a connection that stays open, and what was answered."""
    made = socket.socket(address[0])
    made.connect(address[1])
    made.sendall(b"".join(extra) or b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
    said = b""
    while not whole(said):
        part = made.recv(65536)
        assert part, said
        said += part
    return made, said


def whole(said: bytes) -> bool:
    head, _, body = said.partition(b"\r\n\r\n")
    return f"\r\ncontent-length: {len(body)}" in head.decode().lower()


def test_a_request_knows_its_connection_and_no_header_says_otherwise():
    with served(home(), Limits()) as addresses:
        for via, who in (("unix", Peer(os.geteuid(), os.getegid(), tuple(os.getgroups()))), ("tcp", None)):
            made, said = ask(addresses[via])
            with made:
                assert said.endswith(repr(Connection(via, who)).encode())


def test_one_user_and_tcp_can_have_half_of_the_connections_each():
    with served(home(), Limits(connections=6)) as addresses:
        made = [ask(addresses[via]) for via in ("unix", "unix", "unix", "unix", "tcp", "tcp")]
        statuses = [said.split(b" ")[1] for _, said in made]
        assert statuses == [b"200", b"200", b"200", b"503", b"200", b"200"]
        refusal = made[3][1]
        assert b"application/problem+json" in refusal
        assert b"\r\nretry-after: 1\r\n" in refusal.lower()
        for one, _ in made:
            one.close()
        again, said = ask(addresses["unix"])
        again.close()
        assert b" 200 " in said


def test_what_is_no_http_is_told_so_as_a_problem():
    with served(home(), Limits()) as addresses:
        for address in addresses.values():
            made, said = ask(address, b"\x16\x03\x01\x00\r\n\r\n")
            made.close()
            head, _, body = said.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert b"nosniff" in head
            assert json.loads(body)["type"] == "urn:mapsd:problem:invalid"


def test_a_connection_of_whom_nothing_can_be_found_out_is_told_to_come_again(monkeypatch):
    def exhausted(*_: object) -> Peer:
        raise OSError(24, "Too many open files")
    monkeypatch.setattr("mapsd_api.connection.peerprotocol.peer_of", exhausted)
    with served(home(), Limits()) as addresses:
        made, said = ask(addresses["unix"])
        made.close()
        assert b" 503 " in said


@pytest.mark.parametrize("built_for_5_3", [True, False])
def test_before_linux_6_5_a_peer_is_known_by_its_number_or_not_at_all(monkeypatch, built_for_5_3):
    monkeypatch.setattr("mapsd_api.asker.peer._SO_PEERPIDFD", 9999)  # no kernel has it
    if not built_for_5_3:
        monkeypatch.delattr(os, "pidfd_open")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours, home()).foreign is not built_for_5_3
