"""Where the daemon listens: who may connect, what is taken over, what is refused and what is left behind."""

import fcntl
import os
import socket
import stat
import subprocess
import sys
from asyncio.base_events import _set_nodelay
from contextlib import ExitStack

import pytest

from mapsd.linux.rights import credentials
from mapsd_api.listening import activation, sockets, tcpsocket, unixsocket
from mapsd_api.listening.listener import Listener, NotListening
from mapsd_api.listening.sockets import opened
from mapsd_api.settings.settings import Settings
from mapsd_api.settings.values import Address
from tests.cli.command import BOUND, CHECKOUT

GROUP = 54321


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "mapsd.sock")


def connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        return True


def mode(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def refused(path: str, permissions: int = 0o600, gid: int | None = None) -> str:
    with pytest.raises(NotListening) as caught, unixsocket.bound(path, permissions, gid):
        pass
    assert caught.value.address == path
    return caught.value.reason


@pytest.mark.parametrize("umask", [0, 0o22, 0o77])
def test_a_socket_has_exactly_the_permissions_asked_for(path, umask):
    before = os.umask(umask)
    try:
        for permissions in (0o600, 0o660, 0o666):
            with unixsocket.bound(path, permissions, None) as listener:
                assert (listener.kind, listener.address, mode(path)) == ("unix", path, permissions)
                assert connects(path)
    finally:
        os.umask(before)


@pytest.mark.usefixtures("root")
def test_a_socket_has_its_group(path):
    with unixsocket.bound(path, 0o660, GROUP):
        assert (os.lstat(path).st_gid, mode(path)) == (GROUP, 0o660)


WATCHING = """
import os, socket, sys
sys.path[:0] = sys.argv[2:]
from mapsd_api.listening import unixsocket
path, seen = sys.argv[1], []

def look(event, _):
    if os.path.lexists(path) and not event.startswith("socket.") and event != "os.listdir":
        found = os.lstat(path)
        seen.append((oct(found.st_mode & 0o7777), found.st_gid))

os.umask(0)
sys.addaudithook(look)
with unixsocket.bound(path, 0o660, 54321):
    seen.append("open")
print(list(dict.fromkeys(seen[:seen.index("open")])))
"""


@pytest.mark.usefixtures("root")
def test_no_moment_lets_in_more_than_the_end(path):
    done = subprocess.run([sys.executable, "-c", WATCHING, path, CHECKOUT, CHECKOUT / "api"], capture_output=True,
                          text=True, timeout=BOUND, check=False)
    assert (done.stderr, done.stdout) == ("", "[('0o600', 0), ('0o600', 54321)]\n")


def test_nothing_is_left_behind(path, tmp_path):
    with unixsocket.bound(path, 0o600, None):
        assert sorted(os.listdir(tmp_path)) == ["mapsd.sock", "mapsd.sock.lock"]
    assert os.listdir(tmp_path) == []
    with pytest.raises(ZeroDivisionError), unixsocket.bound(path, 0o600, None):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_a_failure_of_whoever_listens_is_not_taken_for_ours(path):
    with pytest.raises(FileNotFoundError), unixsocket.bound(path, 0o600, None):
        raise FileNotFoundError


def test_a_socket_that_nobody_listens_at_is_taken_over(path, tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    (tmp_path / "mapsd.sock.lock").touch()
    with unixsocket.bound(path, 0o600, None):
        assert connects(path)
    assert os.listdir(tmp_path) == []


def test_a_second_daemon_is_refused_and_the_first_goes_on(path, tmp_path):
    with unixsocket.bound(path, 0o600, None):
        assert refused(path) == "another daemon listens there"
        assert connects(path)
        os.unlink(path)
        assert refused(path) == "another daemon listens there"
    assert os.listdir(tmp_path) == []


def test_a_lock_whose_name_went_away_meanwhile_is_none(path, tmp_path, monkeypatch):
    """The first daemon removes its lock after the second has opened it: the second opens the name anew."""
    lock, taken = tmp_path / "mapsd.sock.lock", []

    def flock(fd: int, how: int) -> None:
        if not taken:
            lock.unlink()
        taken.append(fd)
        fcntl_flock(fd, how)
    fcntl_flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", flock)
    with unixsocket.bound(path, 0o600, None):
        assert len(taken) == 2
        with open(lock) as held, pytest.raises(BlockingIOError):
            fcntl_flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("full", [False, True])
def test_a_socket_of_another_program_is_left_alone(path, full):
    with socket.socket(socket.AF_UNIX) as other, ExitStack() as stack:
        other.bind(path)
        other.listen(0)
        if full:
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
        assert refused(path) == "another program listens there"
        assert stat.S_ISSOCK(os.lstat(path).st_mode)


def test_a_socket_of_another_kind_is_left_alone(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        assert refused(path) == "Protocol wrong type for socket"
        assert stat.S_ISSOCK(os.lstat(path).st_mode)


def test_what_is_no_socket_is_never_removed(path, tmp_path):
    for make in (lambda: open(path, "w").close(), lambda: os.mkdir(path), lambda: os.mkfifo(path),
                 lambda: os.symlink(tmp_path / "nothing", path)):
        make()
        before = os.lstat(path).st_ino
        assert refused(path) == "what is there is no socket"
        assert os.lstat(path).st_ino == before
        os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
    assert os.listdir(tmp_path) == []


def test_a_lock_that_is_something_else_is_never_removed(path, tmp_path):
    lock = tmp_path / "mapsd.sock.lock"
    lock.write_text("notes")
    assert refused(path) == f"{lock} is no lock"
    assert lock.read_text() == "notes"
    lock.unlink()
    os.mkfifo(lock)
    assert refused(path) == f"{lock} is no lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    assert refused(path) == "Too many levels of symbolic links"
    assert os.listdir(tmp_path) == ["mapsd.sock.lock"]


def test_a_socket_that_somebody_put_in_our_place_is_left_there(path, tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        with unixsocket.bound(path, 0o600, None):
            os.unlink(path)
            other.bind(path)
        assert os.listdir(tmp_path) == ["mapsd.sock"]


@pytest.mark.usefixtures("root")
def test_a_socket_that_may_not_be_removed_any_more_is_no_failure_and_taken_over(path, tmp_path):
    tmp_path.chmod(0o755)
    dumpable = credentials.dumpable()
    with unixsocket.bound(path, 0o600, None):
        os.setresuid(-1, 65534, -1)
    os.setresuid(-1, 0, -1)
    credentials.set_dumpable(dumpable)
    assert sorted(os.listdir(tmp_path)) == ["mapsd.sock", "mapsd.sock.lock"]
    with unixsocket.bound(path, 0o600, None):
        assert connects(path)
    assert os.listdir(tmp_path) == []


def test_a_missing_directory_is_made_in_one_that_is_ours_alone(tmp_path):
    path = str(tmp_path / "mapsd/mapsd.sock")
    before = os.umask(0o77)
    try:
        tmp_path.chmod(0o775)
        assert refused(path) == "No such file or directory"
        tmp_path.chmod(0o755)
        with unixsocket.bound(path, 0o600, None):
            assert mode(str(tmp_path / "mapsd")) == 0o755
        assert refused(str(tmp_path / "a/b/mapsd.sock")) == "No such file or directory"
        assert os.listdir(tmp_path) == ["mapsd"]
    finally:
        os.umask(before)


def test_a_directory_in_which_another_could_replace_the_socket_is_refused(path, tmp_path):
    tmp_path.chmod(0o777)
    assert refused(path) == f"everybody may write to {tmp_path} and could take the socket's place"
    tmp_path.chmod(0o1777)
    with unixsocket.bound(path, 0o600, None):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("root")
def test_a_directory_of_another_user_is_refused(path, tmp_path):
    os.chown(tmp_path, 65534, 65534)
    assert refused(path) == f"{tmp_path} belongs to another user, who could take the socket's place"


def test_a_path_that_cannot_be_bound_says_why(tmp_path):
    assert refused(str(tmp_path / ("n" * 120))) == "AF_UNIX path too long"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "localhost"])
def test_tcp_listens_at_every_address_of_a_name_with_one_port(text):
    with tcpsocket.bound(Address(text, 0), beyond=False) as listeners:
        assert len({one.socket.getsockname()[1] for one in listeners}) == 1
        for one in listeners:
            assert one.kind == "tcp"
            host, port = one.socket.getsockname()[:2]
            assert one.address == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            socket.create_connection((host, port)).close()
        if text != "localhost":
            assert [one.socket.getsockname()[0] for one in listeners] == [text]
        with pytest.raises(NotListening, match="cannot listen: Address already in use"), tcpsocket.bound(
                Address(text, listeners[0].socket.getsockname()[1]), beyond=False):
            pass


def test_small_answers_over_tcp_are_not_held_back():
    with (tcpsocket.bound(Address("127.0.0.1", 0), beyond=False) as [listener],
          socket.create_connection(listener.socket.getsockname(), BOUND), listener.socket.accept()[0] as accepted):
        _set_nodelay(accepted)  # asyncio's, which leaves alone what does not say that it is TCP
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_one_address_of_a_name_lacks_is_another_ports_turn(monkeypatch):
    hosts = {(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, ("127.0.0.2", 0))}
    found = [(family, socket.SOCK_STREAM, 6, "", address) for family, address in sorted(hosts)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    blocked = []
    real = socket.socket.bind

    class Contested(socket.socket):
        def bind(self, address: tuple) -> None:
            if address[0] == "127.0.0.2" and len(blocked) < 3:
                other = socket.socket()
                real(other, address)
                other.listen()
                blocked.append(other)
            super().bind(address)
    monkeypatch.setattr(tcpsocket.socket, "socket", Contested)
    with tcpsocket.bound(Address("both.example", 0), beyond=False) as listeners:
        assert [one.socket.getsockname()[0] for one in listeners] == ["127.0.0.1", "127.0.0.2"]
        assert len(blocked) == 3
    for other in blocked:
        other.close()


def test_a_name_that_is_beyond_loopback_after_all_is_refused(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("192.0.2.1", 0))])
    with pytest.raises(NotListening, match=r"localhost:0: cannot listen: other machines reach 192\.0\.2\.1"), \
            tcpsocket.bound(Address("localhost", 0), beyond=False):
        pass


def test_a_name_that_is_none_says_so():
    with pytest.raises(NotListening, match=r"no\.invalid:0: cannot listen: "), \
            tcpsocket.bound(Address("no.invalid", 0), beyond=True):
        pass


HANDED = """
import os, sys
sys.path[:0] = sys.argv[1:]
from mapsd.errors import MapsdError
from mapsd_api.settings.settings import read
from mapsd_api.listening.sockets import opened
os.environ["LISTEN_PID"] = str(os.getpid())
told = {"token_file": "/t"} if "TOKEN" in os.environ else {}
try:
    with opened(read(told, os.environ, "/nonexistent"), os.environ) as listeners:
        for one in listeners:
            print(one.kind, one.address, one.socket.get_inheritable())
        print([name for name in os.environ if name.startswith("LISTEN_")])
except MapsdError as error:
    print(error)
"""


def handed(*given: socket.socket, count: int | None = None, **environ: str) -> list[str]:
    """Return what a program says of sockets that it is started with from descriptor 3 on."""
    fds = [os.dup(one.fileno()) for one in given]
    shell = " ".join(f"{place}<&{fd}" for place, fd in enumerate(fds, 100))
    shell += " " + " ".join(f"{place}<&{far}" for place, far in enumerate(range(100, 100 + len(fds)), 3))
    env = {**os.environ, "LISTEN_FDS": str(len(given) if count is None else count), "LISTEN_FDNAMES": "a:b", **environ}
    words = [sys.executable, "-c", HANDED, CHECKOUT, CHECKOUT / "api"]
    done = subprocess.run(["bash", "-c", f'exec "$@" {shell}', "bash", *words], env=env, pass_fds=fds, text=True,
                          capture_output=True, timeout=BOUND, check=False)
    for fd in fds:
        os.close(fd)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def listening(path):
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        unix.bind(path)
        unix.listen()
        yield unix, tcp


def test_sockets_that_were_handed_over_are_told_apart(listening, path):
    unix, tcp = listening
    at = f"127.0.0.1:{tcp.getsockname()[1]}"
    assert handed(unix) == [f"unix {path} False", "[]"]
    assert handed(unix, tcp, TOKEN="1") == [f"unix {path} False", f"tcp {at} False", "[]"]
    assert os.path.exists(path)


def test_a_tcp_socket_that_was_handed_over_needs_a_token_and_loopback(listening):
    unix, tcp = listening
    at = f"127.0.0.1:{tcp.getsockname()[1]}"
    assert handed(unix, tcp) == [f"{at}: cannot listen: TCP needs token_file: whoever reaches the port could ask"]
    with socket.socket() as wide:
        wide.bind(("0.0.0.0", 0))
        reason = "other machines reach this address: beyond_loopback must say so"
        with pytest.raises(NotListening, match=reason):
            sockets._allow(Listener(wide, "tcp", "wide"), Settings(token_file="/t"))
        sockets._allow(Listener(wide, "tcp", "wide"), Settings(token_file="/t", beyond_loopback=True))


def test_what_was_handed_over_and_is_no_listening_stream_is_refused(listening):
    name = "descriptor 3 of the service manager: cannot listen: "
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams, socket.socket() as idle:
        assert handed(datagrams) == [f"{name}it is no listening stream socket"]
        assert handed(idle) == [f"{name}it is no listening stream socket"]
    with open(os.devnull) as file:
        assert handed(file) == [f"{name}Socket operation on non-socket"]
    assert handed(listening[0], count=9)[0].endswith(": cannot listen: Bad file descriptor")


@pytest.mark.parametrize("environ", [
    {}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_PID": str(os.getpid())},
    {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"}])
def test_what_was_handed_to_somebody_else_is_not_ours(environ):
    kept = {**environ, "PATH": "/bin"}
    assert activation.taken(kept) == []
    assert kept == {"PATH": "/bin"}


def test_both_kinds_are_opened_and_closed_together(path, tmp_path):
    settings = Settings(socket=path, listen=Address("127.0.0.1", 0), token_file="/t")
    with opened(settings, {}) as listeners:
        assert [one.kind for one in listeners] == ["unix", "tcp"]
        port = listeners[1].socket.getsockname()[1]
    assert os.listdir(tmp_path) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Settings(socket=path, listen=Address("127.0.0.1", other.getsockname()[1]), token_file="/t")
        with pytest.raises(NotListening), opened(taken, {}):
            pass
        assert os.listdir(tmp_path) == []
