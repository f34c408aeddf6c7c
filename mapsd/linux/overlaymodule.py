"""The overlay module's parameters, and the names in a layer's directory."""

import itertools
import os

from mapsd.light import TYPE_CHECKING
from mapsd.linux.files import opened, unless_exhausted
from mapsd.model import LayerDir
from mapsd.ports import InLayer

if TYPE_CHECKING:
    from mapsd.linux.machine import LiveMachine

_NAMES = ("redirect_dir", "redirect_always_follow", "metacopy", "index", "nfs_export", "xino_auto")
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME | os.O_NONBLOCK | os.O_CLOEXEC
_ENTRIES = 100  # of one directory


def defaults(machine: "LiveMachine") -> dict[str, bool]:
    """Return the parameters that can be read: Y or N."""
    found = {name: machine.parameter(name) for name in _NAMES}
    return {name: value for name, value in found.items() if value is not None}


def listed(machine: "LiveMachine", layer: LayerDir, path: bytes) -> list[tuple[bytes, bool]]:
    """Return some names in a directory of a layer, and which of them are directories."""
    try:
        fd = machine.open(InLayer(layer, path), _LISTED)
    except OSError as error:
        unless_exhausted(error)
        # What cannot be listed is not compared.
        return []
    with opened(fd), os.scandir(fd) as entries:
        return [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False))
                for entry in itertools.islice(entries, _ENTRIES)]
