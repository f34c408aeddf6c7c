r"""The layers of an overlay mount, from the options that mountinfo prints.

Three writers of these options are known (fs/overlayfs/params.c, super.c):
the mount's own string, verbatim, so that the escapes of its author (`\:`) show as `\134:`;
names rebuilt by Linux 6.5.8 to 6.6, where a colon shows as `\072`; and one option a layer
(`lowerdir+=`, `datadir+=`, Linux 6.7 and later), where names are raw.
"""

from mapsd.light import Iterator
from mapsd.model import OverlayOptions
from mapsd.parse.escape import unescape


def parse(text: bytes) -> OverlayOptions:
    """Return the layers and switches that *text* (the last field of mountinfo) names."""
    lower: list[bytes] = []
    data: list[bytes] = []
    single: dict[bytes, bytes] = {}
    flags: list[tuple[str, str]] = []
    for option in text.split(b","):
        key, _, value = option.partition(b"=")
        if key == b"lowerdir":
            some, others = split_layers(value)
            lower += some
            data += others
        elif key in {b"lowerdir+", b"datadir+"}:
            (lower if key == b"lowerdir+" else data).append(unescape(value))
        elif key in {b"upperdir", b"workdir"}:
            single[key] = b"".join(unit for _, unit in _units(value))
        else:
            flags.append((key.decode("ascii", "replace"), value.decode("ascii", "replace")))
    userxattr = any(name == "userxattr" for name, _ in flags)
    return OverlayOptions(tuple(lower), tuple(data), single.get(b"upperdir"), single.get(b"workdir"),
                          userxattr, tuple(flags))


def split_layers(value: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the lower layers and, behind the first `::`, the data-only layers of a `lowerdir=` value."""
    names = [b""]
    for separator, byte in _units(value):
        if separator:
            names.append(b"")
        else:
            names[-1] += byte
    if b"" not in names:
        return names, []
    doubled = names.index(b"")
    return names[:doubled], [name for name in names[doubled:] if name]


def _units(value: bytes) -> Iterator[tuple[bool, bytes]]:
    """Yield (is a separator, byte), both kinds of escapes undone."""
    at = 0
    while at < len(value):
        plain, byte, at = _unit(value, at)
        if byte == b"\\" and not plain and at < len(value):
            _, byte, at = _unit(value, at)
            plain = False
        yield plain and byte == b":", byte


def _unit(value: bytes, at: int) -> tuple[bool, bytes, int]:
    """Return one byte of the text: whether it stood there plainly, the byte, and where the next begins."""
    if value[at:at + 1] == b"\\":
        byte = unescape(value[at:at + 4])
        if len(byte) == 1:
            return False, byte, min(at + 4, len(value))
    return True, value[at:at + 1], at + 1
