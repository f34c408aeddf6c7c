"""Commands that the disk of a dead host answers: `mapsd containers`, `images`, `layers`, `which` with `--root DIR`."""

import json
import os
from typing import TypeVar

import mapsd
from mapsd.cli.arguments import quoted
from mapsd.cli.command import Asked
from mapsd.cli.containers import lines_of
from mapsd.cli.named import EXPLICIT
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.errors import NotOnDisk, UsageError
from mapsd.light import TYPE_CHECKING, Callable, Iterator, Sequence
from mapsd.model.containers import Container, Unidentified
from mapsd.model.disks import Image
from mapsd.views import images, storedjson, storedtext

if TYPE_CHECKING:
    from mapsd.disk import Disk
    from mapsd.views.render import JsonObject

_Found = TypeVar("_Found")

Ended = tuple[int, list[str]]
_OF_IMAGE = "image:"  # an image even where a container has the name, too


def answered(command: str, asked: Asked) -> Ended:
    """Return the exit status and the lines of a command. Raises UsageError, and what the disk raises."""
    ask = {"containers": _containers, "images": _images, "layers": _layers, "which": _which}[command]
    with mapsd.Disk(os.fsencode(asked.values["root"])) as disk:
        return ask(asked, disk)


def _containers(asked: Asked, disk: "Disk") -> Ended:
    found = disk.containers()
    _complain(asked, found.unidentified, any_store=bool(disk.stores()))
    return FOUND if found.running else NOTHING, lines_of(asked.flags, found)


def _images(asked: Asked, disk: "Disk") -> Ended:
    if asked.operands:
        raise UsageError(f"no operand is taken: {quoted(asked.operands[0])} (see mapsd layers IMAGE --root)")
    found = disk.images()
    _complain(asked, found.unidentified, any_store=bool(found.images or disk.stores()))
    headed = "noheadings" not in asked.flags
    return FOUND if found.images else NOTHING, _told(asked, found, images.as_object,
                                                     lambda one: images.lines(one, headed=headed))


def _complain(asked: Asked, spoilt: "Sequence[tuple[int | str, Unidentified]]", *, any_store: bool) -> None:
    for store, why in spoilt:
        complain(f"{quoted(str(store))}: {why.reason}")
    if not any_store:
        complain(f"{quoted(asked.values['root'])}: no store of an engine was found there that may be read "
                 "(see docs/offline.md)")


def _layers(asked: Asked, disk: "Disk") -> Ended:
    if len(asked.operands) != 1:
        raise UsageError("one container or image is needed (see mapsd containers --root and mapsd images --root)")
    one = _container_or_image(asked.operands[0], disk)
    if isinstance(one, Image):
        return FOUND, _told(asked, disk.image_layers(one), images.layers_object, images.layers_lines)
    return FOUND, _told(asked, disk.layers(one), storedjson.layers_object, storedtext.layers_lines)


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
    return status, _told(asked, found, storedjson.which_object, storedtext.which_lines)


def _told(asked: Asked, found: _Found, as_object: "Callable[[_Found], JsonObject]",
          as_lines: "Callable[[_Found], Iterator[str]]") -> list[str]:
    return [json.dumps(as_object(found), indent=1)] if "json" in asked.flags else list(as_lines(found))


def _container_or_image(word: str, disk: "Disk") -> Container | Image:
    """Return what a word names: a container where one has the name, as `docker inspect` takes it."""
    if word.startswith(_OF_IMAGE):
        return _named(disk.image, word.removeprefix(_OF_IMAGE), "image")
    if word.isdigit():
        raise UsageError(f"no process runs on a disk: {quoted(word)} (a container whose name is a number is "
                         f"{EXPLICIT}NAME, an image whose id begins so {_OF_IMAGE}ID)")
    try:
        return _container(word, disk)
    except NotOnDisk:
        if word.startswith(EXPLICIT):
            raise
        return _named(disk.image, word, "container or image")


def _container(word: str, disk: "Disk") -> Container:
    if word.isdigit() or word == "self":
        raise UsageError(f"no process runs on a disk: {quoted(word)} (a container whose name is a number is "
                         f"{EXPLICIT}NAME)")
    return _named(disk.container, word.removeprefix(EXPLICIT), "container")


def _named(ask: "Callable[[str], _Found]", name: str, what: str) -> _Found:
    try:
        return ask(name)
    except NotOnDisk as error:
        raise NotOnDisk(quoted(name), what) from error
