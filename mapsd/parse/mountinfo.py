"""/proc/PID/mountinfo: ids, device, root, mount point, tags, `-`, type, source, options. See proc_pid_mountinfo(5)."""

from mapsd.errors import ParseError
from mapsd.model import DeviceId, Mount
from mapsd.parse.escape import unescape


def parse(text: bytes) -> list[Mount]:
    """Return the mounts in the order printed. Raises ParseError for a form nobody knows."""
    return [parse_line(line) for line in text.split(b"\n") if line]


def parse_line(line: bytes) -> Mount:
    """Return one mount; the superblock's options stay escaped (overlay has escapes of its own)."""
    head, dash, tail = line.partition(b" - ")
    fields, rest = head.split(b" "), tail.split(b" ")
    try:
        identity, parent, device, root, mount_point = fields[:5]
        major, _, minor = device.partition(b":")
        mount = Mount(int(identity), int(parent), DeviceId(int(major), int(minor)), unescape(root),
                      unescape(mount_point), unescape(rest[0]), rest[2],
                      any(tag.startswith(b"shared:") for tag in fields[6:]))
    except (ValueError, IndexError) as error:
        raise ParseError("mountinfo", line, "not a mount") from error
    if not dash or not mount.mount_point.startswith(b"/"):
        raise ParseError("mountinfo", line, "not a mount")
    return mount
