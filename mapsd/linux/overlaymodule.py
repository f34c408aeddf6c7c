"""The overlay module's parameters, and the names in a layer's directory."""

import itertools
import os

from mapsd.light import Callable, Sequence
from mapsd.linux.files import opened, unless_exhausted
from mapsd.linux.machine import LiveMachine
from mapsd.model import LayerDir
from mapsd.ports import InLayer

_NAMES = ("redirect_dir", "redirect_always_follow", "metacopy", "index", "nfs_export", "xino_auto")
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME | os.O_NONBLOCK | os.O_CLOEXEC
_ENTRIES = 100  # of one directory


def defaults(machine: LiveMachine) -> dict[str, bool]:
    """Return the parameters that can be read: Y or N."""
    found = {name: machine.parameter(name) for name in _NAMES}
    return {name: value for name, value in found.items() if value is not None}


def lister(machine: LiveMachine) -> Callable[[LayerDir, bytes], Sequence[tuple[bytes, bool]]]:
    """Return what lists a directory of a layer: some names, and which of them are directories."""
    def listed(layer: LayerDir, path: bytes) -> list[tuple[bytes, bool]]:
        try:
            fd = machine.open(InLayer(layer, path), _LISTED)
        except OSError as error:
            unless_exhausted(error)
            # What cannot be listed is not compared.
            return []
        with opened(fd), os.scandir(fd) as entries:
            return [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False))
                    for entry in itertools.islice(entries, _ENTRIES)]
    return listed
