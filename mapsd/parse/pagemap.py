"""/proc/PID/pagemap: 64 bits a page. See Documentation/admin-guide/mm/pagemap.rst."""

from mapsd.light import NamedTuple

_PRESENT, _FILE, _FRAME = 1 << 63, 1 << 61, (1 << 55) - 1


class PageEntry(NamedTuple):
    """Whether the page is present and a file's (or shared), and its frame: 0 without CAP_SYS_ADMIN."""

    present: bool
    file: bool
    frame: int


def parse(data: bytes) -> list[PageEntry]:
    """Return the entries of as many whole pages as *data* holds."""
    words = memoryview(data[:len(data) // 8 * 8]).cast("Q")
    return [PageEntry(bool(w & _PRESENT), bool(w & _FILE), w & _FRAME if w & _PRESENT else 0) for w in words]
