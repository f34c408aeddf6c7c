"""/proc/PID/maps: `start-end perms offset major:minor inode   name`. See proc_pid_maps(5)."""

from itertools import pairwise

from mapsd.errors import ParseError
from mapsd.model import DeviceId, Vma


def parse(text: bytes) -> list[Vma]:
    """Return the VMAs of a maps text, addresses and offsets in bytes.

    Raises ParseError for a line in a form nobody knows, and where lines overlap:
    maps is read in chunks, so a text may be torn between two of them.
    """
    devices: dict[bytes, DeviceId] = {}
    vmas = [parse_line(line, devices) for line in text.split(b"\n")[:-1]]
    if text and not text.endswith(b"\n"):
        raise ParseError("maps", text[-200:], "the last line has no end")
    for before, after in pairwise(vmas):
        if after.start < before.end:
            raise ParseError("maps", after.name, "mappings overlap: the text is torn")
    return vmas


def parse_line(line: bytes, devices: dict[bytes, DeviceId]) -> Vma:
    """Return the VMA of one line; *devices* remembers the numbers already read."""
    fields = line.split(b" ", 5)
    try:
        addresses, perms, offset, device, inode = fields[:5]
        start, _, end = addresses.partition(b"-")
        known = devices.get(device)
        if known is None:
            major, _, minor = device.partition(b":")
            known = devices[device] = DeviceId(_hex(major), _hex(minor))
        vma = Vma(_hex(start), _hex(end), perms.decode("ascii"), _hex(offset), known, _decimal(inode), _name(fields))
    except (ValueError, UnicodeDecodeError) as error:
        raise ParseError("maps", line, "not a mapping") from error
    if len(vma.perms) != 4 or vma.start >= vma.end:
        raise ParseError("maps", line, "not a mapping")
    return vma


def _name(fields: list[bytes]) -> bytes:
    # The name is padded to a column, so leading blanks are not part of it.
    # A real path begins with a slash; a VMA's own name with "[".
    return fields[5].lstrip(b" ") if len(fields) == 6 else b""


def _hex(text: bytes) -> int:
    if not text or not text.isalnum():
        raise ValueError(text)
    return int(text, 16)


def _decimal(text: bytes) -> int:
    if not text.isdigit():
        raise ValueError(text)
    return int(text)


def kind_of(vma: Vma) -> str:
    """Return the contract's kind of a mapping as far as its text says: a file may still be a device's."""
    name = vma.name
    if name.startswith(b"["):
        return _bracketed(name)
    if not name:
        return "anonymous"
    if not name.startswith(b"/"):
        return "other"
    if vma.device.major == 0 and vma.device.minor == 1:
        return _internal_shmem(name)
    return "file"


def _internal_shmem(name: bytes) -> str:
    # The kernel's own shmem mount (mm/shmem.c, shm_mnt) is 0:1 wherever it was seen;
    # nothing in user space can open a path on it.
    if name.startswith(b"/memfd:"):
        return "memfd"
    if name == b"/dev/zero (deleted)" or name.startswith(b"/SYSV"):
        return "shm"
    return "file"


def _bracketed(name: bytes) -> str:
    plain = {b"[heap]": "heap", b"[stack]": "stack", b"[vdso]": "vdso", b"[vsyscall]": "vsyscall"}
    if name in plain:
        return plain[name]
    if name.startswith(b"[vvar"):
        return "vvar"
    if name.startswith(b"[anon_shmem:"):
        return "shm"
    if name.startswith(b"[stack:"):
        return "stack"
    return "anonymous" if name.startswith(b"[anon") else "other"
