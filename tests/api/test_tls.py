"""TLS: what is taken for a certificate, and who may connect."""

import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from mapsd.errors import UsageError
from mapsd_api.listening import tls
from mapsd_api.settings.settings import Settings
from tests.cli.command import BOUND
from tests.conftest import missing


def openssl(*words: object) -> None:
    if shutil.which("openssl") is None:
        missing("openssl", "needs openssl to make certificates")
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=BOUND)


def pair(where, name: str) -> tuple[str, str]:
    """Make a key and a certificate for localhost that signs itself; return the paths of certificate and key."""
    certificate, key = where / f"{name}.pem", where / f"{name}.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
            "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate)
    return str(certificate), str(key)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    where = tmp_path_factory.mktemp("tls")
    return {name: pair(where, name) for name in ("server", "renewed", "client", "stranger")}


def talked(context: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str | None, bytes]:
    """Return the version of TLS and what the server's certificate is, as a client of *context* sees it."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            with context.wrap_socket(theirs, server_side=True) as wrapped:
                wrapped.sendall(b"hello")
        except OSError:
            theirs.close()
    server = threading.Thread(target=answer)
    server.start()
    try:
        with client.wrap_socket(ours, server_hostname="localhost") as wrapped:
            # With TLS 1.3 a client learns by reading whether its certificate was taken.
            assert wrapped.recv(5) == b"hello"
            return wrapped.version(), ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(binary_form=True)).encode()
    finally:
        ours.close()
        server.join()


def trusting(*certificates: str, own: tuple[str, str] | None = None) -> ssl.SSLContext:
    client = ssl.create_default_context()
    for certificate in certificates:
        client.load_verify_locations(certificate)
    if own:
        client.load_cert_chain(*own)
    return client


def settings(made: dict, name: str = "server", **more: str) -> Settings:
    certificate, key = made[name]
    return Settings(tls_certificate=certificate, tls_key=key, **more)


def content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def test_without_a_certificate_there_is_no_tls():
    assert tls.context(Settings()) is None
    tls.renew(None, Settings())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_connects_by_tls_of_today(made, version):
    client = trusting(made["server"][0])
    client.minimum_version = client.maximum_version = version
    assert talked(tls.context(settings(made)), client)[0] == version.name.replace("_", ".")


def test_older_versions_are_refused(made):
    context = tls.context(settings(made))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_key_in_the_certificates_own_file_needs_no_other(made, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(content(made["server"][0]) + content(made["server"][1]))
    context = tls.context(Settings(tls_certificate=str(both)))
    assert talked(context, trusting(made["server"][0]))


def test_with_an_authority_for_clients_only_its_clients_are_served(made):
    context = tls.context(settings(made, tls_client_ca=made["client"][0]))
    server = made["server"][0]
    assert talked(context, trusting(server, own=made["client"]))
    for client in (trusting(server), trusting(server, own=made["stranger"])):
        with pytest.raises(OSError, match=r"(?i)alert|eof|reset"):
            talked(context, client)


def refused(told: Settings) -> str:
    with pytest.raises(UsageError) as caught:
        tls.context(told)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_do_not_go_together_are_refused(made, tmp_path):
    certificate, key = made["server"]
    none = str(tmp_path / "none")
    assert refused(Settings(tls_certificate=none, tls_key=key)) == f"tls_certificate: {none}: No such file or directory"
    assert "KEY_VALUES_MISMATCH" in refused(Settings(tls_certificate=certificate, tls_key=made["stranger"][1]))
    assert refused(Settings(tls_certificate=key)).startswith(f"tls_certificate: {key}: ")
    assert refused(settings(made, tls_client_ca=none)) == f"tls_client_ca: {none}: No such file or directory"
    assert refused(settings(made, tls_client_ca=key)).startswith(f"tls_client_ca: {key}: ")


def test_an_encrypted_key_is_refused_and_nobody_is_asked(made, tmp_path):
    locked = tmp_path / "locked.key"
    openssl("ec", "-in", made["server"][1], "-aes256", "-passout", "pass:secret", "-out", locked)
    assert "the key is encrypted" in refused(Settings(tls_certificate=made["server"][0], tls_key=str(locked)))


def test_renewed_files_are_used_and_broken_ones_are_not(made, tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    told = Settings(tls_certificate=str(certificate), tls_key=str(key))
    client = trusting(made["server"][0], made["renewed"][0])

    def place(name: str, key_of: str) -> None:
        certificate.write_bytes(content(made[name][0]))
        key.write_bytes(content(made[key_of][1]))
    place("server", "server")
    live = tls.context(told)
    place("renewed", "server")
    with pytest.raises(UsageError):
        tls.renew(live, told)
    assert talked(live, client)[1] == content(made["server"][0])
    place("renewed", "renewed")
    tls.renew(live, told)
    assert talked(live, client)[1] == content(made["renewed"][0])
