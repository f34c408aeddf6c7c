"""What lies in the files and directories of layers: the port Contents on a live machine."""

import os
from typing import TypeVar

from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.linux import contents
from mapsd.linux.files import opened
from mapsd.model import Absent, LayerDir, Refused
from mapsd.ports import InLayer

if TYPE_CHECKING:
    from mapsd.linux.machine import LiveMachine

_Answer = TypeVar("_Answer")


class LayerContents:
    """Reads in the layers that a machine has opened; a file is opened by O_PATH first, whatever it is."""

    def __init__(self, machine: "LiveMachine", *, quietly: bool = True) -> None:
        """Ask by *machine*; without *quietly* access times may change where only the owner could leave them."""
        self._machine, self._quietly = machine, quietly

    def read(self, layer: LayerDir, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""
        return self._asked(layer, path, lambda fd: contents.text(fd, limit, quietly=self._quietly))

    def head(self, layer: LayerDir, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""
        return self._asked(layer, path, lambda fd: contents.head(fd, size, quietly=self._quietly))

    def listed(self, layer: LayerDir, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are too many."""
        return self._asked(layer, path, lambda fd: contents.names(fd, quietly=self._quietly))

    def link(self, layer: LayerDir, path: bytes) -> bytes | Absent | Refused:
        """Return the text of a symbolic link."""
        return self._asked(layer, path, contents.link)

    def _asked(self, layer: LayerDir, path: bytes, ask: Callable[[int], _Answer]) -> _Answer | Absent | Refused:
        def asked() -> _Answer:
            with opened(self._machine.open(InLayer(layer, path), os.O_PATH | os.O_CLOEXEC)) as fd:
                return ask(fd)
        return contents.answer(asked)
