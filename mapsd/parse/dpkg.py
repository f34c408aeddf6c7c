"""The files of /var/lib/dpkg. See deb-control(5), deb-md5sums(5), dpkg-divert(1), and dpkg's parsers in lib/dpkg."""

from mapsd.errors import ParseError
from mapsd.light import Iterator, NamedTuple
from mapsd.model.packages import Digest

STANZA = 4 << 20  # bytes
_FIELDS = frozenset((b"package", b"version", b"architecture", b"multi-arch", b"source", b"status", b"conffiles"))
_MD5 = 32  # hexadecimal digits
_BETWEEN = frozenset((b"  ", b"  /", b"  ./"))  # what stands between a digest and a name
_PLACES = 1000  # names that end like the one looked for
_LINE = _MD5 + 5  # more than all of that


class Stanza(NamedTuple):
    """One package of `status`; a field that it does not have is empty.

    *conffiles* are its lines, each after a newline: a name, a digest, flags.
    """

    name: bytes
    version: bytes
    architecture: bytes
    multi_arch: bytes
    source: bytes
    status: bytes
    conffiles: bytes = b""


class Diversion(NamedTuple):
    """A name that every package but one has elsewhere; *by* is ":" where the administrator has it for himself."""

    name: bytes
    to: bytes
    by: bytes


def stanzas(text: bytes) -> Iterator[Stanza]:
    """Yield the packages of a status file. Raises ParseError where it is torn, as dpkg does."""
    if text and not text.endswith(b"\n"):
        raise ParseError("dpkg status", text[-80:], "ends in the middle of a line")
    text, start = _separated(text), 0
    while start < len(text):
        end = text.find(b"\n\n", start)
        end = len(text) if end < 0 else end
        if end - start > STANZA:
            raise ParseError("dpkg status", text[start:start + 80], "a package takes more than 4 MiB")
        yield _stanza(text[start:end].rstrip(b"\n"))
        start = end + 2


def _separated(text: bytes) -> bytes:
    """Return a text with one empty line between packages, where there may be many."""
    while b"\n\n\n" in text:
        text = text.replace(b"\n\n\n", b"\n\n")
    return text.lstrip(b"\n")


def _stanza(text: bytes) -> Stanza:
    fields: dict[bytes, list[bytes]] = {}
    values: list[bytes] = []
    for line in text.split(b"\n"):
        if line[:1] in {b" ", b"\t"}:
            values.append(line.strip(b" \t"))
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name:
            raise ParseError("dpkg status", line, "no field")
        values = [value.strip(b" \t")]
        if name.lower() in _FIELDS and fields.setdefault(name.lower(), values) is not values:
            raise ParseError("dpkg status", line, "a field comes twice")
    one = {name: value[0] for name, value in fields.items()}
    if not one.get(b"package"):
        raise ParseError("dpkg status", text[:80], "a package without a name")
    conffiles = b"".join(b"\n" + line for line in fields.get(b"conffiles", ())[1:])
    return Stanza(one[b"package"], one.get(b"version", b""), one.get(b"architecture", b""), one.get(b"multi-arch", b""),
                  one.get(b"source", b""), one.get(b"status", b""), conffiles)


def source(value: bytes) -> tuple[bytes, bytes]:
    """Return name and version of a Source field, `name` or `name (version)`; what it does not have is empty."""
    name, opened, rest = value.partition(b" (")
    version, closed, after = rest.partition(b")")
    return (name, version) if not opened or (closed and not after) else (b"", b"")


def diversions(text: bytes) -> tuple[Diversion, ...]:
    """Return the diversions: three lines each. Raises ParseError where the file is torn."""
    lines = text.split(b"\n")
    if lines.pop() or len(lines) % 3:
        raise ParseError("dpkg diversions", text[-80:], "does not consist of three lines each")
    return tuple(Diversion(*lines[at:at + 3]) for at in range(0, len(lines), 3))


def recorded(sums: bytes, name: bytes) -> Digest | None:
    """Return the digest of a *name* (from the root) in an md5sums file, None for none or for several."""
    bare, end = name.lstrip(b"/"), -1
    found = set()
    for _ in range(_PLACES):
        at = sums.find(bare + b"\n", end + 1)
        if at < 0:
            break
        end = at + len(bare)
        line = sums[max(0, at - _LINE):at].rpartition(b"\n")[2]
        if line[_MD5:] in _BETWEEN:
            found.add(md5(line[:_MD5]))
    else:
        return None
    return found.pop() if len(found) == 1 else None


def conffile(lines: bytes, name: bytes) -> tuple[bool, Digest | None]:
    """Return whether a *name* is a configuration file of a package, and the digest that was shipped last."""
    _, found, rest = lines.partition(b"\n" + name + b" ")
    return bool(found), md5(rest.partition(b"\n")[0].partition(b" ")[0]) if found else None


def md5(text: bytes) -> Digest | None:
    """Return an MD5 digest in hexadecimal as a value, None for another text."""
    digits = len(text) == _MD5 and not set(text.lower()) - set(b"0123456789abcdef")
    return Digest("md5", bytes.fromhex(text.decode())) if digits else None
