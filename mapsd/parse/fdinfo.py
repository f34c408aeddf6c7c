"""/proc/PID/fdinfo/N: `pos:`, `flags:` (octal), `mnt_id:` and `ino:`, then what belongs to the kind of file."""

from mapsd.errors import ParseError
from mapsd.model.open import FdInfo


def parse(text: bytes) -> FdInfo:
    """Return the lines that every descriptor has. Raises ParseError for a form nobody knows."""
    fields: dict[bytes, bytes] = {}
    for line in text.split(b"\n"):
        name, mark, value = line.partition(b":\t")
        if mark:
            # What a driver adds comes later, whatever it calls it.
            fields.setdefault(name, value)
    try:
        inode = int(fields[b"ino"]) if b"ino" in fields else None
        return FdInfo(int(fields[b"pos"]), int(fields[b"flags"], 8), int(fields[b"mnt_id"]), inode)
    except (KeyError, ValueError) as error:
        raise ParseError("fdinfo", text, "not a descriptor's") from error
