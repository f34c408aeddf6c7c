"""The extended attributes by which overlayfs marks files (fs/overlayfs/overlayfs.h, enum ovl_xattr)."""

from mapsd.model import Handle, OverlayHandle

NAMES = ("opaque", "redirect", "metacopy", "whiteout", "origin")
OVERLAY_FID = 0xF8  # OVL_FILEID_V1
OVERLAY_FIDS = (OVERLAY_FID, 0xFB)  # and OVL_FILEID_V0, of kernels that do not align the real file's handle
_MAGIC = 0xFB
_UPPER, _BIG, _ANY = 4, 1, 2
_PADDING, _HEADER = 3, 21  # struct ovl_fh pads struct ovl_fb, whose fixed part is 21 bytes


def prefix(*, userxattr: bool) -> str:
    """Return the prefix of the attributes; with userxattr only `user.overlay.` counts."""
    return "user.overlay." if userxattr else "trusted.overlay."


def overlay_handle(handle: Handle | None) -> OverlayHandle | None:
    """Return the real file that an overlay's file handle names, None where it names none."""
    if handle is None or handle.type != OVERLAY_FID:
        return None
    return origin(handle.data[_PADDING:])


def origin(data: bytes) -> OverlayHandle | None:
    """Return the file that an `origin` attribute names; None for an empty or a foreign one."""
    if len(data) <= _HEADER or data[0] != 0 or data[1] != _MAGIC or data[2] != len(data):
        return None
    if data[3] & ~(_UPPER | _BIG | _ANY):
        return None
    return OverlayHandle(bool(data[3] & _UPPER), data[5:21], Handle(data[4], data[21:]))


def index_name(wanted: OverlayHandle) -> bytes:
    """Return the name of a lower file's entry in the index directory (ovl_get_index_name_fh)."""
    little = _UPPER if wanted.upper else 0
    fixed = bytes([0, _MAGIC, _HEADER + len(wanted.handle.data), little, wanted.handle.type])
    return (fixed + wanted.uuid + wanted.handle.data).hex().encode()


def is_opaque(value: bytes | None) -> bool:
    """Return whether an `opaque` attribute hides the layers below (`y`; `x` marks xattr whiteouts).

    The kernel reads one byte, and a longer value not at all (ovl_get_opaquedir_val, fs/overlayfs/util.c).
    """
    return value == b"y"


def is_redirect(value: bytes) -> bool:
    """Return whether the kernel follows a `redirect` attribute: one name, or an absolute path of names."""
    names = value[1:].split(b"/") if value.startswith(b"/") else [value]
    return not any(name in {b"", b".", b".."} or b"/" in name for name in names)
