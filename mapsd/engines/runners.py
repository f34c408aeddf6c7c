"""Processes that make containers, or serve their files, and what their arguments say of it.

Arguments are the process's own word: what they name is believed only of a process of root's, or of the user that owns
what is named.
"""

from mapsd.engines.documents import is_name
from mapsd.light import Iterator, NamedTuple, Sequence
from mapsd.model.containers import Container, Runner
from mapsd.parse.overlay_options import split_layers

_FUSE = (b"fuse-overlayfs",)
# Of systemd-nspawn: short options with a value, and the long ones that matter here.
_VALUED, _LONG = (b"D", b"i", b"M", b"u", b"S", b"E", b"L", b"Z", b"p"), (b"--directory", b"--image", b"--machine")


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
    for one in ancestors:
        if one.exe is not None and one.exe.rpartition(b"/")[2] == b"systemd-nspawn" and one.uid == 0:
            own = _before_command(one.arguments)
            given = _option(own, b"-M", b"--machine")
            directory = _option(own, b"-D", b"--directory") or _option(own, b"-i", b"--image")
            plain = given or (directory or b"").rstrip(b"/").rpartition(b"/")[2].removesuffix(b".raw")
            name = plain.decode("utf-8", "replace")
            return Container("systemd-nspawn", name if is_name(name) else None, name if is_name(name) else None)
    return None


def _before_command(arguments: Sequence[bytes]) -> Sequence[bytes]:
    """Return the words of systemd-nspawn before those of the command that it runs, which may look like its own."""
    place = 1
    while place < len(arguments) and arguments[place].startswith(b"-"):
        word = arguments[place]
        # The last of several letters may have a value; so has a long option without `=` that is one of these.
        takes = word[-1:] in _VALUED if not word.startswith(b"--") else word in _LONG
        place += 2 if (takes and len(word) == 2) or word in _LONG else 1
    return arguments[:place]


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
