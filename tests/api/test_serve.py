"""The daemon's life, as a process of its own: it starts, answers, reads its settings again, and ends."""

import http.client
import json
import os
import resource
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from tests.api.test_tls import pair, trusting
from tests.cli.command import BOUND, CHECKOUT, MAPSD, until

TOKEN = "0123456789abcdef"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=BOUND)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path)


def connected(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(BOUND)
    try:
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


class Running:
    """A daemon with a tiny application, and what it says."""

    def __init__(self, process: subprocess.Popen, path: str) -> None:
        self.process, self.path, self.said, self._connections = process, path, [], ExitStack()
        self.printed = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.said.append(json.loads(line) if line.startswith("{") else {"message": line})

    def messages(self) -> list[str]:
        return [line["message"] for line in self.said]

    def until_said(self, message: str, times: int = 1) -> dict:
        until(lambda: self.messages().count(message) >= times or not self._reading.is_alive())
        found = [line for line in self.said if line["message"] == message]
        assert len(found) >= times, self.said
        return found[times - 1]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Return exit status and stdout when it has ended."""
        status = self.process.wait(BOUND)
        self._reading.join(BOUND)
        self.printed += self.process.stdout.read()
        return status, self.printed

    def connection(self, target: str = "/settings") -> UnixConnection:
        """Return a connection on which something is asked."""
        made = self._connections.enter_context(closing(UnixConnection(self.path)))
        made.request("GET", target)
        return made

    def ask(self, target: str = "/settings") -> http.client.HTTPResponse:
        return self._connections.enter_context(closing(self.connection(target).getresponse()))

    def settings(self, query: str = "") -> dict:
        with closing(UnixConnection(self.path)) as asking:
            asking.request("GET", f"/settings?{query}")
            return json.load(asking.getresponse())

    def close(self) -> None:
        self.process.kill()
        self.ended()
        self._connections.close()
        self.process.stdout.close()
        self.process.stderr.close()

    def tcp(self) -> tuple[str, int]:
        host, port = self.until_said("listening")["addresses"][1].rsplit(":", 1)
        return host, int(port)

    def opened(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@contextmanager
def running(path: object, *words: str, dev: bool = True, **environ: str):
    """Give a daemon that listens; what it leaves running is ended."""
    env = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/api", **environ}
    command = [sys.executable, *(["-X", "dev"] if dev else []), "-m", "tests.api.tiny", f"--socket={path}", *words]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    daemon = Running(process, str(path))
    try:
        daemon.until_said("listening")
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "s")


@pytest.fixture
def token(tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    return f"--token-file={tmp_path}/token"


def test_it_answers_at_both_kinds_of_sockets(path, token):
    with running(path, "--listen=localhost:0", token) as daemon:
        answer = daemon.ask()
        assert (answer.status, answer.getheader("Server")) == (200, None)
        assert answer.getheader("Date").endswith(" GMT")
        asking = http.client.HTTPConnection(*daemon.tcp(), timeout=BOUND)
        asking.request("GET", f"/settings?{TOKEN}")
        assert json.load(asking.getresponse())["holds"] is True
        asking.close()


def test_only_tcp_is_tls(path, token, tmp_path):
    certificate, key = pair(tmp_path, "server")
    with running(path, "--listen=127.0.0.1:0", token, f"--tls-certificate={certificate}",
                 f"--tls-key={key}") as daemon:
        assert daemon.settings()["tls_key"] == key
        host, port = daemon.tcp()
        with socket.create_connection((host, port), BOUND) as plain, trusting(certificate).wrap_socket(
                plain, server_hostname="localhost") as wrapped:
            wrapped.sendall(b"GET /settings HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert wrapped.recv(15) == b"HTTP/1.1 200 OK"
        plain = http.client.HTTPConnection(host, port, timeout=BOUND)
        plain.request("GET", "/settings")
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.getresponse()
        plain.close()


def test_a_signal_ends_it_and_nothing_is_left(path, tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT):
        with running(path) as daemon:
            daemon.ask().read()
            daemon.signal(number)
            assert daemon.ended() == (0, "closed\n")
            assert daemon.messages() == ["listening", "ending", "ended"]
        assert os.listdir(tmp_path) == []


def test_what_was_asked_is_answered_before_the_end(path, tmp_path):
    with running(path, "--drain=3600") as daemon:
        idle = daemon.connection()
        idle.getresponse().read()
        asking = daemon.connection(f"/wait?{tmp_path}/go")
        until(daemon.settings)
        daemon.signal(signal.SIGTERM)
        until(lambda: not os.path.exists(path))
        with pytest.raises(OSError, match="No such file"):
            connected(path)
        assert idle.sock.recv(1) == b""
        (tmp_path / "go").touch()
        answer = asking.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        assert daemon.ended() == (0, "closed\n")


def test_a_stream_ends_as_it_should_and_does_not_delay_the_end(path):
    with running(path, "--drain=3600") as daemon:
        answer = daemon.ask("/stream")
        assert answer.readline() == b"begun\n"
        daemon.signal(signal.SIGTERM)
        assert answer.read() == b"ended\n"
        assert daemon.ended()[0] == 0


def test_what_takes_too_long_is_cut_off(path, tmp_path):
    with running(path, "--drain=0.2") as daemon:
        daemon.connection(f"/wait?{tmp_path}/never")
        until(daemon.settings)
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == (0, "closed\n")


def test_a_second_signal_waits_for_nothing(path, tmp_path):
    with running(path, "--drain=3600") as daemon:
        daemon.connection(f"/wait?{tmp_path}/never")
        until(daemon.settings)
        daemon.signal(signal.SIGTERM)
        daemon.until_said("ending")
        daemon.signal(signal.SIGTERM)
        assert daemon.ended()[0] == 0


def test_what_cannot_be_cancelled_does_not_keep_it(path):
    with running(path, "--drain=0.1", SHORT="1") as daemon:
        daemon.connection("/hang")
        until(daemon.settings)
        daemon.signal(signal.SIGTERM)
        assert daemon.ended()[0] == 0


def test_a_thread_that_hangs_does_not_keep_it(path):
    with running(path, "--drain=3600") as daemon:
        daemon.ask("/leave").read()
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == (0, "closed\n")
        assert daemon.messages()[-1] == "ended"


def test_a_daemon_that_was_killed_is_followed_by_another(path):
    with running(path) as daemon:
        daemon.signal(signal.SIGKILL)
        daemon.ended()
        assert os.path.exists(path)
        with running(path) as next_one:
            assert next_one.ask().status == 200


def test_a_second_daemon_is_refused_and_the_first_answers_on(path):
    with running(path) as daemon:
        env = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/api"}
        done = subprocess.run([sys.executable, "-m", "tests.api.tiny", f"--socket={path}"], cwd=CHECKOUT, env=env,
                              capture_output=True, text=True, timeout=BOUND, check=False)
        assert (done.returncode, done.stderr) == (1, f"{path}: cannot listen: another daemon listens there\n")
        assert daemon.ask().status == 200


def test_an_application_that_does_not_start_is_a_failure_that_leaves_nothing(path, tmp_path):
    env = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/api", "FAIL": "1"}
    done = subprocess.run([sys.executable, "-m", "tests.api.tiny", f"--socket={path}"], cwd=CHECKOUT, env=env,
                          capture_output=True, text=True, timeout=BOUND, check=False)
    *logged, last = done.stderr.splitlines()
    assert (done.returncode, last) == (1, "the application did not start")
    assert "RuntimeError: no start" in json.loads(logged[0])["exception"]
    assert os.listdir(tmp_path) == []


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(BOUND)
        yield told


def states(told: socket.socket, *, but: str = "WATCHDOG=1") -> list[str]:
    while (said := told.recv(4096).decode()) == but:
        pass
    return [line.split("=")[0] if line.startswith("MONOTONIC") else line for line in said.splitlines()]


def test_the_service_manager_is_told(path, manager, tmp_path):
    usec = "1000"
    with running(path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC=usec) as daemon:
        assert states(manager) == ["READY=1", f"STATUS=listening at {path}"]
        assert daemon.ask().status == 200
        assert [manager.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        daemon.signal(signal.SIGHUP)
        assert states(manager) == ["RELOADING=1", "MONOTONIC_USEC"]
        assert states(manager) == ["READY=1", f"STATUS=listening at {path}"]
        daemon.signal(signal.SIGTERM)
        assert states(manager) == ["STOPPING=1", "STATUS=answering what was asked"]
        assert daemon.ended()[0] == 0


def test_a_reload_applies_what_it_can_and_names_what_it_cannot(path, token, tmp_path):
    file = tmp_path / "mapsd.toml"
    file.write_text("connections = 5\nlookups = 1\n")
    with running(path, f"--config={file}", token) as daemon:
        assert daemon.settings(TOKEN)["holds"] is True
        file.write_text("connections = 6\nlookups = 3\nprocfs = '/host'\n")
        (tmp_path / "token").write_text("another-token-of-today")
        daemon.signal(signal.SIGHUP)
        assert daemon.until_said("reloaded")["needs_restart"] == ["procfs", "lookups"]
        now = daemon.settings(TOKEN)
        assert (now["connections"], now["lookups"], now["procfs"], now["holds"]) == (6, 1, "/proc", False)
        assert daemon.settings("another-token-of-today")["holds"] is True


@pytest.mark.parametrize(("now", "mode", "why"), [
    ("connections = 6\nconections = 7", 0o600, "FILE:2: no such setting: 'conections'"),
    ("connections = 6", 0o644, "token_file: TOKEN: others than its owner may use it: chmod 0600"),
    ("connections = 6\ngroup = 13", 0o600, "13 is a group of nobody's"),
], ids=["file", "token", "application"])
def test_what_is_broken_changes_nothing_and_is_said(path, token, tmp_path, now, mode, why):
    file = tmp_path / "mapsd.toml"
    file.write_text("connections = 5\n")
    with running(path, f"--config={file}", token) as daemon:
        file.write_text(now)
        (tmp_path / "token").chmod(mode)
        daemon.signal(signal.SIGHUP)
        said = daemon.until_said("not reloaded: what was said before stays")
        assert said["reason"].replace(str(file), "FILE").replace(str(tmp_path / "token"), "TOKEN") == why
        assert (daemon.settings(TOKEN)["connections"], daemon.settings(TOKEN)["holds"]) == (5, True)
        file.write_text("connections = 7")
        (tmp_path / "token").chmod(0o600)
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reloaded")
        assert daemon.settings()["connections"] == 7


def test_a_reload_takes_a_renewed_certificate(path, token, tmp_path):
    certificate, key = pair(tmp_path, "server")
    with running(path, "--listen=127.0.0.1:0", token, f"--tls-certificate={certificate}",
                 f"--tls-key={key}") as daemon:
        def seen() -> str:
            return ssl.get_server_certificate(daemon.tcp())
        with open(certificate) as file:
            assert seen() == file.read()
        for name, old in zip(("pem", "key"), pair(tmp_path, "renewed"), strict=True):
            os.rename(old, tmp_path / f"server.{name}")
        daemon.signal(signal.SIGHUP)
        daemon.until_said("reloaded")
        with open(certificate) as file:
            assert seen() == file.read()


def test_a_failure_of_the_application_is_one_line_of_the_log(path):
    with running(path) as daemon:
        assert daemon.ask("/fail").status == 500
        until(lambda: len(daemon.said) > 1)
        said = daemon.said[1]
        assert (said["level"], said["logger"], said["message"]) == ("error", "uvicorn.error",
                                                                     "Exception in ASGI application")
        assert "ZeroDivisionError: line\nof \x1b[31mits own" in said["exception"]


def test_requests_that_are_none_do_not_fill_the_log(path):
    with running(path) as daemon:
        upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nHost: x\r\n\r\n"
        for said in (b"\x16\x03\x01\n\n", b"GET\r\n\r\n", upgrade):
            with connected(path) as asking:
                asking.sendall(said)
                assert asking.recv(8) == b"HTTP/1.1"
        daemon.signal(signal.SIGTERM)
        daemon.ended()
        assert daemon.messages() == ["listening", "ending", "ended"]


def test_one_connection_too_many_is_told_to_come_again(path):
    with running(path, "--connections=2", SHORT="1") as daemon:
        streams = [daemon.connection("/stream") for _ in range(2)]
        for stream in streams:
            assert stream.getresponse().readline() == b"begun\n"
        answer = daemon.ask("/settings")
        assert (answer.status, answer.getheader("Retry-After"), answer.getheader("Connection")) == (503, "1", "close")
        assert answer.getheader("Content-Type") == "application/problem+json"
        assert json.load(answer)["type"] == "urn:mapsd:problem:busy"
        for stream in streams:
            stream.close()
        until(lambda: "socket" in daemon.settings())


def test_a_crowd_is_not_even_told(path):
    with running(path, "--connections=1", SHORT="1") as daemon:
        assert daemon.ask("/stream").readline() == b"begun\n"
        with connected(path), connected(path) as over, suppress(ConnectionResetError):
            assert over.recv(1) == b""
        assert daemon.ask().status == 503


HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("said", [b"", HEAD[:9], HEAD, HEAD + b"Content-Length: 9\r\n\r\nhalf"],
                         ids=["nothing", "half a line", "half a head", "half a body"])
@pytest.mark.parametrize("asked", [False, True])
def test_a_client_that_does_not_finish_what_it_says_is_left(path, said, asked):
    with running(path, SHORT="1"), connected(path) as asking:
        if asked and said:
            asking.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")
            answer = b""
            while not answer.endswith(b"0\r\n\r\n"):
                answer += asking.recv(4096)
        asking.sendall(said)
        with suppress(ConnectionResetError):
            assert asking.recv(1) == b""


def test_a_client_that_says_a_byte_at_a_time_is_left_as_well(path):
    with running(path, SHORT="1"), connected(path) as asking:
        asking.settimeout(0.05)
        asking.sendall(b"GET /settings HTTP/1.1\r\n")
        with suppress(ConnectionResetError, BrokenPipeError):
            while True:
                asking.sendall(b"X")
                with suppress(TimeoutError):
                    assert asking.recv(1) == b""
                    break


def test_a_client_that_takes_nothing_is_left(path):
    with running(path, SHORT="1"), connected(path) as asking:
        asking.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        ended = select.poll()
        ended.register(asking, 0)
        assert ended.poll(1000 * BOUND)[0][1] & select.POLLHUP


def test_a_client_that_takes_nothing_of_small_answers_is_left(path):
    """Its answers fill the socket, then a part of our own buffer, which is not enough for us to pause."""
    with running(path, SHORT="1"), connected(path) as asking:
        asking.setblocking(False)
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while True:
                asking.sendall(b"GET /settings HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        ended = select.poll()
        ended.register(asking, 0)
        assert ended.poll(1000 * BOUND)[0][1] & select.POLLHUP


def test_a_client_that_begins_no_tls_is_left(path, token, tmp_path):
    certificate, key = pair(tmp_path, "server")
    with running(path, "--listen=127.0.0.1:0", token, f"--tls-certificate={certificate}", f"--tls-key={key}",
                 dev=False, SHORT="1") as daemon, ExitStack() as crowd:
        # In its debug mode asyncio keeps a refused connection until the next collection.
        silent = [crowd.enter_context(socket.create_connection(daemon.tcp(), BOUND)) for _ in range(4)]
        assert "socket" in daemon.settings()
        for one in silent:
            with suppress(ConnectionResetError):
                assert one.recv(1) == b""
        assert ssl.get_server_certificate(daemon.tcp())


def test_a_client_that_takes_and_waits_is_not_left(path):
    with running(path, SHORT="1") as daemon:
        answer = daemon.ask("/stream")
        assert answer.readline() == b"begun\n"
        # Longer than a request may take, and than a client may: another that says nothing is left by then.
        with connected(path) as silent:
            assert silent.recv(1) == b""
        assert len(daemon.ask("/big").read()) == 64 << 20
        daemon.signal(signal.SIGTERM)
        assert answer.read() == b"ended\n"


def test_clients_that_come_and_go_leave_nothing(path):
    with running(path) as daemon:
        daemon.settings()
        kept = daemon.connection()
        kept.getresponse().read()
        until(daemon.settings)
        before = daemon.opened()
        for said in (b"", b"GET /set", b"GET /settings HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /stream HTTP/1.1\r\n\r\n"):
            for _ in range(50):
                with connected(path) as asking:
                    asking.sendall(said)
        until(lambda: daemon.opened() <= before)


def test_descriptors_are_as_many_as_connections_need(path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with running(path, "--connections=300") as daemon:
            assert resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE) == (300 + 128 + 256, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_fewer_descriptors_are_said(path):
    bounded = ["prlimit", "--nofile=300:300", sys.executable, "-m", "tests.api.tiny", f"--socket={path}"]
    env = {**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/api"}
    process = subprocess.Popen(bounded, cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = json.loads(process.stderr.readline())
    process.kill()
    process.communicate()
    assert said["message"] == "there may not be as many connections: descriptors are fewer"
    assert (said["descriptors"], said["needed"]) == (300, 512 + 128 + 256)


def test_what_is_not_understood_ends_the_command_before_anything_is_made(tmp_path):
    done = subprocess.run([MAPSD, "serve", f"--socket={tmp_path}/s", "--listen=localhost:0"], capture_output=True,
                          text=True, check=False, timeout=BOUND)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mapsd: --listen: needs token_file: whoever reaches the port could ask\n"
    assert os.listdir(tmp_path) == []


def test_without_its_packages_the_command_says_what_to_install():
    code = ("import sys; sys.path.insert(0, sys.argv.pop(1)); from mapsd.cli.__main__ import main; sys.exit(main())")
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code, CHECKOUT, "serve"], capture_output=True, text=True,
                          check=False, timeout=BOUND)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == 'mapsd: the daemon needs mapsd_api: pip install "mapsd[daemon]"\n'


@pytest.fixture
def checkout_without_environment(tmp_path):
    """Give a checkout whose bin/environment says that it was run, and makes one that shows what it is started with."""
    top = tmp_path / "a b"
    for part in ("bin", "mapsd"):
        shutil.copytree(CHECKOUT / part, top / part, ignore=shutil.ignore_patterns("__pycache__"))
    (top / "env/bin").mkdir(parents=True)
    for name, text in (("bin/environment", 'echo made >>"$0.count"; echo "${0%/bin/*}/env"'),
                       ("env/bin/python", 'shift 3; printf "%s\\n" "$$" "$@"')):
        (top / name).write_text(f"#!/bin/sh\n{text}\n")
        (top / name).chmod(0o755)
    return top


def test_only_serve_needs_an_environment(checkout_without_environment):
    top = checkout_without_environment
    count = top / "bin/environment.count"
    for words in (["serve", "--help"], ["serve", "-h"], ["lookup", "self"], ["--help"]):
        done = subprocess.run([top / "bin/mapsd", *words], capture_output=True, text=True, check=False, timeout=BOUND)
        assert (done.returncode, done.stderr, count.exists()) == (0, "", False)
    process = subprocess.Popen([top / "bin/mapsd", "serve", "--socket=/a  b"], stdout=subprocess.PIPE, text=True)
    # One process from first to last: it is what the service manager started and hands its sockets to.
    assert process.communicate(timeout=BOUND)[0].splitlines() == [
        str(process.pid), str(top / "bin/mapsd"), "serve", "--socket=/a  b"]
    assert count.read_text() == "made\n"


def test_an_environment_that_cannot_be_made_ends_serve(checkout_without_environment):
    environment = checkout_without_environment / "bin/environment"
    environment.write_text("#!/bin/sh\necho 'bin/environment: install python3-venv' >&2\nexit 1\n")
    done = subprocess.run([checkout_without_environment / "bin/mapsd", "serve"], capture_output=True, text=True,
                          check=False, timeout=BOUND)
    assert (done.returncode, done.stdout, done.stderr) == (70, "", "bin/environment: install python3-venv\n")
