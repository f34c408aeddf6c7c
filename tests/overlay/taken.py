"""An output that keeps what it takes, and something that happens while it does."""

from collections.abc import Callable

from mapsd.copying import Wish
from mapsd.extraction import Extraction, extracted
from tests.overlay.target import Target

LIMIT = 1 << 30


class Taken:
    """Keeps the bytes; *meanwhile* runs before the first of them is taken."""

    def __init__(self, meanwhile: Callable[[], object] | None = None) -> None:
        self.data, self.committed, self._meanwhile = bytearray(), False, meanwhile

    def write(self, data: bytes) -> None:
        if self._meanwhile is not None:
            self._meanwhile()
            self._meanwhile = None
        self.data += data

    def skip(self, size: int) -> None:
        self.data += bytes(size)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.data[offset:offset + size])

    def commit(self) -> None:
        self.committed = True


def taken(target: Target, address: int, *, fault: str = "auto",
          meanwhile: Callable[[], object] | None = None) -> tuple[bytes, Extraction]:
    """Return what is extracted of a mapping, and what is said of it."""
    output = Taken(meanwhile)
    found = extracted(target.pid, address, output, Wish(LIMIT, fault))
    assert output.committed
    assert found.copied.size == len(output.data)
    return bytes(output.data), found
