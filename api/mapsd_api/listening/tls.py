"""TLS for TCP, and certificates of clients where an authority is named (mutual TLS)."""

import ssl

from mapsd.errors import UsageError
from mapsd_api.settings.settings import Settings


def context(settings: Settings) -> ssl.SSLContext | None:
    """Return what TCP connections are wrapped with: TLS 1.2 or later; None where no certificate is set.

    Raises UsageError for files that cannot be read or do not go together.
    """
    if settings.tls_certificate is None:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(["http/1.1"])
    _identify(made, settings)
    if settings.tls_client_ca is not None:
        _ask_clients(made, settings.tls_client_ca)
    return made


def renew(live: ssl.SSLContext | None, settings: Settings) -> None:
    """Use the certificate and key that the files have by now for connections to come.

    Raises UsageError, and then goes on with the old ones.
    """
    if live is not None:
        # What is half replaced could serve nobody, so the pair is tried elsewhere first.
        context(settings)
        _identify(live, settings)


def _identify(made: ssl.SSLContext, settings: Settings) -> None:
    assert settings.tls_certificate is not None  # noqa: S101  (asked before)
    try:
        made.load_cert_chain(settings.tls_certificate, settings.tls_key, password=_no_password)
    except (OSError, ValueError) as error:
        raise UsageError(f"tls_certificate: {settings.tls_certificate}: {_reason(error)}") from error


def _ask_clients(made: ssl.SSLContext, authorities: str) -> None:
    try:
        made.load_verify_locations(authorities)
    except OSError as error:
        raise UsageError(f"tls_client_ca: {authorities}: {_reason(error)}") from error
    made.verify_mode = ssl.CERT_REQUIRED


def _no_password() -> str:
    # Without this OpenSSL asks on the terminal.
    raise ValueError("the key is encrypted: a daemon has nobody to ask for the password")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
