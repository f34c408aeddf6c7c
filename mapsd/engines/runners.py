"""Processes that make containers, or serve their files, and what their arguments say of it.

Arguments are the process's own word: what they name is believed only of a process of root's, or of the user that owns
what is named.
"""

from mapsd.engines.documents import is_name
from mapsd.engines.place import Place
from mapsd.light import Iterator, Mapping, NamedTuple, Sequence
from mapsd.model.containers import Container, Runner
from mapsd.parse.overlay_options import split_layers

_FUSE = (b"fuse-overlayfs",)
# Options of systemd-nspawn with a value: those that matter here, and others with a letter.
_VALUED = {b"D": b"directory", b"i": b"image", b"M": b"machine", b"u": b"user", b"S": b"slice", b"E": b"setenv",
           b"L": b"selinux-apifs-context", b"Z": b"selinux-context", b"p": b"port"}


class Monitored(NamedTuple):
    """What conmon, the parent of a container of Podman or CRI-O, was told: the container's id, and its bundle."""

    id: str
    bundle: bytes
    runner: Runner


def conmon(ancestors: Sequence[Runner]) -> Monitored | None:
    """Return what the nearest conmon was told, None where there is none. See conmon(8)."""
    for one in ancestors:
        if _program(one) == b"conmon":
            identity = _option(one.arguments, b"-c", b"--cid")
            bundle = _option(one.arguments, b"-b", b"--bundle")
            return Monitored(identity.decode("ascii", "replace"), bundle or b"", one) if identity else None
    return None


def place_of(told: Monitored) -> Place | None:
    """Return the store of a bundle, None where it is in none: STORE/DRIVER-containers/ID/userdata."""
    parts = told.bundle.split(b"/")
    if len(parts) < 4 or parts[-1] != b"userdata" or not parts[-3].endswith(b"-containers"):
        return None
    driver = parts[-3].removesuffix(b"-containers").decode("ascii", "replace")
    return Place("storage", b"/".join(parts[:-3]) or b"/", driver, "") if is_name(driver) else None


def upper_of(server: Runner) -> bytes | None:
    """Return the upper directory of a fuse-overlayfs, None for another program. See fuse-overlayfs(1).

    It is relative to the server's working directory where the layers are many.
    """
    if _program(server) not in _FUSE:
        return None
    for options in _options(server.arguments):
        for part in _unescaped(options):
            if part.startswith(b"upperdir="):
                path = split_layers(part.removeprefix(b"upperdir="))[0][0]
                return path if path.startswith(b"/") else None if server.cwd is None else server.cwd + b"/" + path
    return None


def nspawn(ancestors: Sequence[Runner]) -> Container | None:
    """Return the container of the nearest systemd-nspawn that root runs, None where there is none.

    It is called by `--machine`, or after its directory or image. See systemd-nspawn(1).
    """
    machines = [one for one in ancestors if one.uid == 0 and one.exe is not None
                and one.exe.rpartition(b"/")[2] == b"systemd-nspawn"]
    # Inside of the machine a copy of it may be the first process, without the arguments.
    name = next(filter(is_name, (_machine(_given(one.arguments)) for one in machines)), None)
    return Container("systemd-nspawn", name, name) if machines else None


def _machine(given: Mapping[bytes, bytes]) -> str:
    directory = given.get(b"directory", given.get(b"image", b""))
    plain = directory.rstrip(b"/").rpartition(b"/")[2].removesuffix(b".raw")
    return given.get(b"machine", plain).decode("utf-8", "replace")


def _given(arguments: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """Return the values of systemd-nspawn's options, up to the command that it runs, which may have such as well."""
    found: dict[bytes, bytes] = {}
    words = iter(arguments[1:])
    for word in words:
        if not word.startswith(b"-") or word == b"--":
            break
        name, value, separate = _long(word) if word.startswith(b"--") else _short(word)
        found[name] = next(words, b"") if separate else value
    return found


def _long(word: bytes) -> tuple[bytes, bytes, bool]:
    name, equals, value = word[2:].partition(b"=")
    return name, value, not equals and name in _VALUED.values()


def _short(word: bytes) -> tuple[bytes, bytes, bool]:
    """Return the option at the end of a group of letters that has a value, here or in the next word."""
    for place in range(1, len(word)):
        letter = word[place:place + 1]
        if letter in _VALUED:
            return _VALUED[letter], word[place + 1:], place + 1 == len(word)
    return b"", b"", False


def _program(runner: Runner) -> bytes:
    return (runner.exe or runner.arguments[0]).rpartition(b"/")[2]


def _option(arguments: Sequence[bytes], short: bytes, long: bytes) -> bytes | None:
    """Return the value of an option: `-c VALUE`, `-cVALUE`, `--cid VALUE` or `--cid=VALUE`."""
    for place, word in enumerate(arguments[1:], 1):
        if word == b"--":
            return None
        if word in {short, long}:
            return arguments[place + 1] if place + 1 < len(arguments) else None
        if word.startswith(long + b"="):
            return word[len(long) + 1:]
        if word.startswith(short) and not word.startswith(b"--"):
            return word[len(short):]
    return None


def _options(arguments: Sequence[bytes]) -> Iterator[bytes]:
    for place, word in enumerate(arguments):
        if word == b"-o" and place + 1 < len(arguments):
            yield arguments[place + 1]
        elif word.startswith(b"-o") and len(word) > 2:
            yield word[2:]


def _unescaped(options: bytes) -> Iterator[bytes]:
    r"""Yield mount options; a comma behind a backslash belongs to the value (fuse_opt.h)."""
    part = b""
    for piece in options.split(b","):
        if piece.endswith(b"\\"):
            part += piece[:-1] + b","
        else:
            yield part + piece
            part = b""
    if part:
        yield part
