"""Commands that the disk of a dead host answers: `mapsd containers`, `layers` and `which` with `--root DIR`."""

import json
import os

import mapsd
from mapsd.cli.arguments import quoted
from mapsd.cli.command import Asked
from mapsd.cli.containers import lines_of
from mapsd.cli.named import EXPLICIT
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.errors import NotOnDisk, UsageError
from mapsd.light import TYPE_CHECKING
from mapsd.model.containers import Container
from mapsd.views import storedjson, storedtext

if TYPE_CHECKING:
    from mapsd.disk import Disk

Ended = tuple[int, list[str]]


def answered(command: str, asked: Asked) -> Ended:
    """Return the exit status and the lines of a command. Raises UsageError, and what the disk raises."""
    ask = {"containers": _containers, "layers": _layers, "which": _which}[command]
    with mapsd.Disk(os.fsencode(asked.values["root"])) as disk:
        return ask(asked, disk)


def _containers(asked: Asked, disk: "Disk") -> Ended:
    found = disk.containers()
    for store, why in found.unidentified:
        complain(f"{quoted(str(store))}: {why.reason}")
    if not disk.stores():
        complain(f"{quoted(asked.values['root'])}: no store of an engine was found there that may be read "
                 "(see docs/offline.md)")
    return FOUND if found.running else NOTHING, lines_of(asked.flags, found)


def _layers(asked: Asked, disk: "Disk") -> Ended:
    if len(asked.operands) != 1:
        raise UsageError("one container is needed (see mapsd containers --root)")
    found = disk.layers(_container(asked.operands[0], disk))
    if "json" in asked.flags:
        return FOUND, [json.dumps(storedjson.layers_object(found), indent=1)]
    return FOUND, list(storedtext.layers_lines(found))


def _which(asked: Asked, disk: "Disk") -> Ended:
    if len(asked.operands) != 2:
        raise UsageError("one container and one path are needed (see mapsd containers --root)")
    word, path = asked.operands
    if not path.startswith("/"):
        raise UsageError(f"not an absolute path: {quoted(path)} (it is looked up from the container's root)")
    found = disk.which(_container(word, disk), os.fsencode(path))
    if found.exists is False:
        complain(f"{quoted(word)}: {quoted(path)}: No such file or directory")
    status = NOTHING if found.exists is False else FOUND
    if "json" in asked.flags:
        return status, [json.dumps(storedjson.which_object(found), indent=1)]
    return status, list(storedtext.which_lines(found))


def _container(word: str, disk: "Disk") -> Container:
    if word.isdigit() or word == "self":
        raise UsageError(f"no process runs on a disk: {quoted(word)} (a container whose name is a number is "
                         f"{EXPLICIT}NAME)")
    name = word.removeprefix(EXPLICIT)
    try:
        return disk.container(name)
    except NotOnDisk as error:
        raise NotOnDisk(quoted(name)) from error
