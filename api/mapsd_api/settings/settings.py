"""The daemon's settings: a file, over which the environment wins, over which arguments win."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from mapsd.errors import UsageError
from mapsd.settings import SETTINGS, Setting
from mapsd.views.render import escaped
from mapsd_api.settings import values
from mapsd_api.settings.handover import handed_over

FILE = "/etc/mapsd/mapsd.toml"
# Variables of ours that are no settings: the command line's, bin/mapsd's, the tests'.
_OTHERS = {f"MAPSD_{name}"
           for name in ("CONFIG", "PAGER", "TOO_OLD", "REQUIRE", "GOLDEN", "HISTORIES", "LACKING", "BENCH")}
_ROWS = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon was told; the table of mapsd.settings says what each means.

    None is "not said" and an empty tuple "none"; groups and users are numbers; times are seconds. `socket` is None
    where no Unix socket is wanted.
    """

    socket: str | None = None
    socket_mode: int = 0o600
    socket_group: int | None = None
    group: int | None = None
    listen: values.Address | None = None
    beyond_loopback: bool = False
    token_file: str | None = None
    token_user: int = 65534
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    procfs: str = "/proc"
    host_root: str | None = None
    lookups: int = 2
    waiting: int = 64
    connections: int = 512
    body_limit: int = 1 << 20
    page_size: int = 1000
    watch_interval: float = 1.0
    drain: float = 10.0
    audit: str = "stderr"


class _Said(NamedTuple):
    """A value as it was written, and the place where."""

    text: str
    place: str


def read(arguments: Mapping[str, str], environ: Mapping[str, str], file: str = FILE) -> Settings:
    """Return what file, environment and arguments say, *arguments* by the names of the settings and `config`.

    *file* is read where it exists and no other one is named. Raises UsageError, which names the place, for what is
    not known, not understood or does not go together, and where there is no place for a socket.
    """
    said = dict(_of_file(arguments, environ, file))
    said |= _of_environment(environ)
    said |= {name: _Said(_absolute(name, text), _ROWS[name].option)
             for name, text in arguments.items() if name != "config"}
    found: dict[str, Any] = {name: _value(_ROWS[name], *one) for name, one in said.items()}
    activated = handed_over(environ) > 0
    if "socket" not in said and not activated:
        found["socket"] = usual_socket(os.geteuid(), environ)
    settings = replace(Settings(), **found)
    for name, reason in _refusals(settings, activated=activated):
        raise UsageError(f"{said[name].place}: {reason}")
    return settings


def reloaded(old: Settings, new: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return *old* with what *new* may change while the daemon runs, and the names of what else differs."""
    other = [one for one in SETTINGS if getattr(old, one.name) != getattr(new, one.name)]
    live: dict[str, Any] = {one.name: getattr(new, one.name) for one in other if one.live}
    return replace(old, **live), tuple(one.name for one in other if not one.live)


def usual_socket(uid: int, environ: Mapping[str, str]) -> str:
    """Return where a user's socket lies when nobody says. Raises UsageError where the user has no place for it."""
    if uid == 0:
        return "/run/mapsd/mapsd.sock"
    directory = environ.get("XDG_RUNTIME_DIR")
    if not directory or not os.path.isabs(directory):
        raise UsageError("there is no XDG_RUNTIME_DIR for the socket: --socket must say where it is to be")
    return f"{directory}/mapsd.sock"


def _of_file(arguments: Mapping[str, str], environ: Mapping[str, str], usual: str) -> Iterator[tuple[str, _Said]]:
    named = arguments.get("config") or environ.get("MAPSD_CONFIG")
    if not named and not os.path.exists(usual):
        return
    path = named or usual
    text = _text(path)
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
    for name, value in table.items():
        if name not in _ROWS:
            raise UsageError(f"{path}{_line(text, name)}: no such setting: {_quoted(name)}")
        place = f"{path}{_line(text, name)}: {name}"
        yield name, _Said(_written(_ROWS[name], value, place), place)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8") from error


def _line(text: str, name: str) -> str:
    """Return `:LINE` of a key of the top level or of a table's head, empty where it is written in a way of its own."""
    key = rf"[\"']?{re.escape(name)}[\"']?"
    found = re.search(rf"^[ \t]*(?:{key}[ \t]*[=.]|\[+[ \t]*{key}[ \t]*[\].])", text, re.MULTILINE)
    return f":{text.count(chr(10), 0, found.start()) + 1}" if found else ""


def _written(setting: Setting, value: object, place: str) -> str:
    """Return a value of the file as an argument would be written. Raises UsageError for one of another type."""
    kinds = values.TOML.get(setting.form, (str,))
    if type(value) not in kinds:
        wanted = " or ".join(values.TYPES[kind] for kind in kinds)
        raise UsageError(f"{place}: {wanted} is needed")
    if isinstance(value, list):
        if not all(isinstance(one, str) and one and "," not in one for one in value):
            raise UsageError(f"{place}: a list of texts without commas is needed")
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_environment(environ: Mapping[str, str]) -> dict[str, _Said]:
    variables = {setting.variable: setting.name for setting in SETTINGS}
    for name in environ:
        if name.startswith("MAPSD_") and name not in variables and name not in _OTHERS:
            raise UsageError(f"environment {name}: no such setting")
    return {name: _Said(environ[variable], f"environment {variable}")
            for variable, name in variables.items() if variable in environ}


def _absolute(name: str, text: str) -> str:
    """Return an argument, where it is a path with the directory that it was written in."""
    return os.path.abspath(text) if text and _ROWS[name].form == "PATH" else text


def _value(setting: Setting, text: str, place: str) -> object:
    if not text and not setting.default:
        return () if setting.form in values.LISTS else None
    try:
        return values.READERS[setting.form](text, setting)
    except ValueError as error:
        raise UsageError(f"{place}: {error}: {_quoted(text)}") from error


def _refusals(settings: Settings, *, activated: bool) -> Iterator[tuple[str, str]]:
    """Yield what does not go together: a setting that was said, and the reason."""
    listen = settings.listen
    if listen and not settings.token_file:
        yield "listen", "needs token_file: whoever reaches the port could ask"
    if listen and not listen.loopback and not settings.beyond_loopback:
        yield "listen", "other machines reach this address: beyond_loopback must say so"
    if settings.tls_key and not settings.tls_certificate:
        yield "tls_key", "needs tls_certificate"
    if settings.tls_client_ca and not settings.tls_certificate:
        yield "tls_client_ca", "needs tls_certificate"
    if settings.tls_certificate and not listen and not activated:
        yield "tls_certificate", "needs listen: the Unix socket has no TLS"
    if settings.socket_group is not None and not settings.socket_mode & 0o020:
        yield "socket_group", "needs a socket_mode that lets it in, such as 0660"
    if not settings.socket and not listen and not activated:
        yield "socket", "nothing would be served: neither a socket nor listen"


def _quoted(text: str) -> str:
    return f"'{escaped(os.fsencode(text))[:80]}'"
