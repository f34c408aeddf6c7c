"""Files as somebody else may read them: the kernel is asked for each, by a thread that is the other one meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mapsd.linux.files import unless_exhausted
from mapsd.linux.rights.disguise import asked_as
from mapsd.model import Absent, Found, Refused

if TYPE_CHECKING:
    from mapsd.sources import Tree

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody without any capability; called, it gives the files of a tree as these ids may read them."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    def __call__(self, files: "Tree") -> "Tree":
        """Return the same tree, in which a file that the reader may not open is Refused."""
        # As ourselves first: what is imported on the way may be closed to the reader.
        files.entry(b"")
        return _Read(files, self)


class _Read:
    """The port Tree as somebody else sees it."""

    def __init__(self, files: "Tree", reader: Reader) -> None:
        self._files, self._ids = files, (reader.uid, reader.gid, reader.groups)

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        return self._asked(lambda: self._files.read(path, limit))

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        return self._asked(lambda: self._files.head(path, size))

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        return self._asked(lambda: self._files.listed(path))

    def entry(self, path: bytes) -> Found:
        return self._asked(lambda: self._files.entry(path))

    def link(self, path: bytes) -> bytes | Absent | Refused:
        return self._asked(lambda: self._files.link(path))

    def _asked(self, ask: Callable[[], _Answer | Refused]) -> _Answer | Refused:
        try:
            found = asked_as(*self._ids, ask)
        except OSError as error:
            unless_exhausted(error)
            return Refused(error.strerror or str(error))
        # No capability of ours would help the reader.
        return Refused(found.reason) if isinstance(found, Refused) else found
