"""How a daemon is reached, how long it is waited for, and what is told to nobody else."""

import os
import shutil
import socket
import ssl
import subprocess
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import BadReply, MapsdError, NoDaemon, UsageError
from mapsd.remote import RemoteSession, UnixSocket, at_url
from mapsd.remote.bounded import Bounds
from mapsd.remote.session import PATIENCE
from mapsd.views.render import as_json
from tests.cli.answers import answer
from tests.conftest import missing
from tests.remote.server import NDJSON, Said, _json, at_port, at_socket, problem, saying

FOUND = _json(as_json(answer(b"/lib")._replace(mappings=())))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def session(where: str, **more) -> RemoteSession:
    return RemoteSession(UnixSocket(os.fsencode(where)), **more)


@pytest.mark.parametrize(("retry_after", "waited"), [("2", 2.0), ("0", 0.1), ("", 1.0), ("Wed, 21 Oct 2026", 1.0)])
def test_a_daemon_that_is_busy_is_asked_again_when_it_says(tmp_path, retry_after, waited):
    replies, seconds = count(), []
    busy = problem("busy", 503, more=(("Retry-After", retry_after),) if retry_after else ())
    with (at_socket(tmp_path / "s", lambda *_: FOUND if next(replies) == 2 else busy) as daemon,
          session(daemon.where, wait=seconds.append) as asking):
        assert asking.lookup(1).process.pid == 1
    assert seconds == [waited, waited]
    assert len(daemon.connections) == 1


@pytest.mark.parametrize("retry_after", ["1", "3", "3600", "99999999999"])
def test_a_daemon_that_stays_busy_is_given_up(tmp_path, retry_after):
    seconds = []
    busy = problem("busy", 503, "too much to do", (("Retry-After", retry_after),))
    with (at_socket(tmp_path / "s", lambda *_: busy) as daemon, session(daemon.where, wait=seconds.append) as asking,
          pytest.raises(NoDaemon, match="too much to do")):
        asking.lookup(1)
    assert sum(seconds) == PATIENCE


def test_a_connection_that_was_closed_meanwhile_is_renewed(tmp_path):
    with (at_socket(tmp_path / "s", lambda *_: FOUND._replace(more=(("Connection", "close"),))) as daemon,
          session(daemon.where) as asking):
        for _ in range(3):
            assert asking.lookup(1).process.pid == 1
        assert len(daemon.connections) == 3
    once = HEAD + b"Content-Length: %d\r\n\r\n" % len(FOUND.body) + FOUND.body
    # It says that it stays, and goes.
    with saying(tmp_path / "t", once) as where, session(where) as asking:
        assert [asking.lookup(1).process.pid for _ in range(3)] == [1, 1, 1]


def test_a_session_that_was_closed_asks_again(tmp_path):
    with at_socket(tmp_path / "s", lambda *_: FOUND) as daemon:
        asking = session(daemon.where)
        assert asking.lookup(1) == asking.lookup(1)
        asking.close()
        asking.close()
        assert asking.lookup(1).process.pid == 1
        asking.close()
        assert len(daemon.connections) == 2


@pytest.mark.parametrize("parts", [(), (HEAD,), (HEAD + b"Content-Length: 9\r\n\r\n{",), (b"HTTP/1.1 1",)])
def test_a_daemon_that_says_nothing_is_left(tmp_path, parts):
    with (saying(tmp_path / "s", *parts, stays=True) as where, session(where, bounds=Bounds(silence=0.1)) as asking,
          pytest.raises(NoDaemon, match=r"it says nothing for 0\.1 seconds")):
        asking.lookup(1)


@pytest.mark.parametrize("endless", [
    HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1000000\r\n",
    HEAD + b"Content-Length: 1000000000000\r\n\r\n", HEAD + b"Content-Length: 9000000\r\n\r\n"])
def test_a_reply_without_end_is_left(tmp_path, endless):
    with (saying(tmp_path / "s", endless, *[b" " * (1 << 16)] * 128) as where,
          session(where, bounds=Bounds(size=1 << 20)) as asking,
          pytest.raises(BadReply, match="larger than 1 MiB")):
        asking.lookup(1)


def test_interim_replies_without_end_are_left(tmp_path):
    with (saying(tmp_path / "s", *[b"HTTP/1.1 100 Continue\r\n\r\n" * 4096] * 32) as where,
          session(where, bounds=Bounds(size=1 << 20)) as asking, pytest.raises(BadReply, match="larger than 1 MiB")):
        asking.lookup(1)


def test_a_reply_that_never_ends_in_time_is_left(tmp_path):
    def drip(_: str, __: dict) -> Said:
        return FOUND._replace(body=FOUND.body + b" " * (8 << 20))
    with (at_socket(tmp_path / "s", drip) as daemon, session(daemon.where, bounds=Bounds(whole=0.0)) as asking,
          pytest.raises(BadReply, match="longer than 0 seconds")):
        asking.lookup(1)


def test_a_socket_that_nobody_accepts_at_is_left(tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(0)
    waiting = []
    for _ in range(2):
        other = socket.socket(socket.AF_UNIX)
        other.setblocking(False)
        other.connect_ex(str(tmp_path / "s"))
        waiting.append(other)
    asking = RemoteSession(UnixSocket(os.fsencode(tmp_path / "s"), seconds=0.1))
    with pytest.raises(NoDaemon, match=r"no connection within 0\.1 seconds|temporarily unavailable"):
        asking.lookup(1)
    for one in (listener, *waiting):
        one.close()


@given(st.lists(st.binary(max_size=60) | st.sampled_from(
    [HEAD, b"\r\n", b"HTTP/1.1 200 OK\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
     b"1\r\n{\r\n"]), max_size=5))
def test_any_bytes_are_an_answer_or_a_failure(tmp_path_factory, parts):
    with (saying(tmp_path_factory.mktemp("any") / "s", *parts) as where, session(where) as asking,
          pytest.raises((NoDaemon, BadReply))):
        asking.lookup(1)


@pytest.fixture
def token(tmp_path) -> Path:
    made = tmp_path / "token"
    made.write_text("0123456789abcdef\n")
    made.chmod(0o600)
    return made


def test_a_token_is_in_every_question(token):
    with at_port(lambda *_: FOUND) as daemon, RemoteSession(at_url(daemon.where, str(token))) as asking:
        asking.lookup(1)
        asking.lookup(2)
    assert [fields["Authorization"] for _, fields in daemon.asked] == ["Bearer 0123456789abcdef"] * 2
    assert daemon.asked[0][1]["Host"] == daemon.where.removeprefix("http://")


def test_a_token_that_is_not_taken_is_said(token):
    with (at_port(lambda *_: problem("unauthenticated", 401)) as daemon,
          RemoteSession(at_url(daemon.where, str(token))) as asking,
          pytest.raises(NoDaemon, match="it does not know this token")):
        asking.lookup(1)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o666])
def test_a_token_that_others_may_read_is_refused(token, mode):
    token.chmod(mode)
    with pytest.raises(UsageError, match=rf"others may use it \(mode {mode:04o}\)"):
        at_url("http://127.0.0.1:1", str(token))


@pytest.mark.parametrize("text", ["", "\n", "two words\n", "one\ntwo\n", "caf\u00e9\n", "x\0y", "x" * 5000, "\x1b[31m"])
def test_a_token_of_other_bytes_is_refused(token, text):
    token.write_text(text)
    with pytest.raises(UsageError, match="one line of printable ASCII"):
        at_url("http://127.0.0.1:1", str(token))


def test_a_token_is_a_file(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "none", tmp_path, tmp_path / "fifo"):
        with pytest.raises(UsageError, match="the token file"):
            at_url("http://127.0.0.1:1", str(path))


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "10.0.0.1", "0.0.0.0", "[::ffff:192.0.2.1]"])
def test_a_token_goes_to_no_other_machine_without_tls(token, host):
    with (RemoteSession(at_url(f"http://{host}:9", str(token))) as asking,
          pytest.raises(UsageError, match="a token is sent by https only, or to a loopback address")):
        asking.lookup(1)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "[::ffff:127.0.0.1]", "localhost"])
def test_a_token_goes_to_a_loopback_address(token, host):
    with at_port(lambda *_: FOUND) as daemon:
        port = daemon.where.rpartition(":")[2]
        with RemoteSession(at_url(f"http://{host}:{port}", str(token))) as asking:
            try:
                assert asking.lookup(1).process.pid == 1
            except NoDaemon as error:
                # Our daemon listens at 127.0.0.1 alone.
                assert "refused" in str(error)  # noqa: PT017  (either is right)


def test_what_comes_before_the_routes_is_kept():
    with at_port(lambda *_: FOUND) as daemon:
        for url in (f"{daemon.where}/maps/", f"{daemon.where}/maps"):
            with RemoteSession(at_url(url)) as asking:
                asking.lookup(1)
        with RemoteSession(at_url(f"{daemon.where}/")) as asking:
            asking.lookup(1)
    route = "/v1/processes/1/mappings"
    assert [path for path, _ in daemon.asked] == [f"/maps{route}", f"/maps{route}", route]


def test_a_path_is_text_or_exact_bytes(tmp_path):
    with at_socket(tmp_path / "s", lambda *_: FOUND) as daemon, session(daemon.where) as asking:
        for path in (b"/a b&c=\xc3\xa4+", b"/\xff", b"/new\nline", "/\u202e".encode(), b"relative\0"):
            with pytest.raises(MapsdError):
                asking.which(1, path)
    assert [path.partition("?")[2] for path, _ in daemon.asked] == [
        "path=%2Fa+b%26c%3D%C3%A4%2B", "path_base64=L%2F8%3D", "path_base64=L25ldwpsaW5l", "path_base64=L%2BKArg%3D%3D",
        "path_base64=cmVsYXRpdmUA"]


def test_processes_are_in_order(tmp_path):
    lines = b'{"pid": 30, "name": "x"}\n{"pid": 4}\n'
    with (at_socket(tmp_path / "s", lambda *_: Said(lines, kind=NDJSON)) as daemon, session(daemon.where) as asking):
        assert asking.pids() == [4, 30]


def openssl(*words: object) -> None:
    if shutil.which("openssl") is None:
        missing("tls", "needs openssl")
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """Give a directory with the certificate of 127.0.0.1, of another host and of a client, each signed by itself."""
    where = tmp_path_factory.mktemp("tls")
    for name, names in (("here", "IP:127.0.0.1"), ("other", "DNS:other.invalid"), ("client", "DNS:client")):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                where / f"{name}.key", "-out", where / f"{name}.pem", "-subj", f"/CN={name}", "-addext",
                f"subjectAltName={names}")
    return where


def serving(certificates: Path, name: str, *, client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "client.pem")
    return context


def test_a_daemon_is_known_by_its_certificate(certificates, token):
    with at_port(lambda *_: FOUND, serving(certificates, "here")) as daemon:
        with RemoteSession(at_url(daemon.where, str(token), str(certificates / "here.pem"))) as asking:
            assert asking.lookup(1).process.pid == 1
        daemon.asked.clear()
        with (RemoteSession(at_url(daemon.where, str(token))) as asking,
              pytest.raises(NoDaemon, match="its certificate is not accepted: self-signed certificate")):
            asking.lookup(1)
    with (at_port(lambda *_: FOUND, serving(certificates, "other")) as other,
          RemoteSession(at_url(other.where, str(token), str(certificates / "other.pem"))) as asking,
          pytest.raises(NoDaemon, match="its certificate is not accepted: IP address mismatch")):
        asking.lookup(1)
    assert daemon.asked == other.asked == []


def test_a_client_is_known_by_its_certificate(certificates):
    here, pem, key = (str(certificates / name) for name in ("here.pem", "client.pem", "client.key"))
    with at_port(lambda *_: FOUND, serving(certificates, "here", client=True)) as daemon:
        with RemoteSession(at_url(daemon.where, None, here, pem, key)) as asking:
            assert asking.lookup(1).process.pid == 1
        with RemoteSession(at_url(daemon.where, None, here)) as asking, pytest.raises(NoDaemon):
            asking.lookup(1)


def test_http_and_https_do_not_understand_each_other(certificates):
    with (at_port(lambda *_: FOUND) as daemon,
          RemoteSession(at_url(daemon.where.replace("http", "https"))) as asking,
          pytest.raises(NoDaemon, match="wrong version number")):
        asking.lookup(1)
    with (at_port(lambda *_: FOUND, serving(certificates, "here")) as daemon,
          RemoteSession(at_url(daemon.where.replace("https", "http"))) as asking,
          pytest.raises((NoDaemon, BadReply))):
        asking.lookup(1)


def test_nobody_is_asked_for_the_password_of_a_key(certificates, tmp_path):
    locked = tmp_path / "locked.key"
    openssl("ec", "-in", certificates / "here.key", "-aes128", "-passout", "pass:secret", "-out", locked)
    with pytest.raises(UsageError, match="the certificates cannot be used"):
        at_url("https://h", None, None, str(certificates / "here.pem"), str(locked))
