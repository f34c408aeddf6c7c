"""The idea in three scenes: a container of our own, whose libraries are copied up while a process has them mapped."""

import os

from mapsd.errors import NoContainer, ProcessGone
from mapsd.light import NamedTuple
from mapsd.linux import capabilities
from mapsd.linux.demo.claims import Claims, claims
from mapsd.linux.demo.contained import Chmod, Put
from mapsd.linux.demo.container import Container, Plan
from mapsd.linux.demo.library import image
from mapsd.model import Answer
from mapsd.session import Session

GREET, QUIET = b"/usr/lib/libgreet.so", b"/usr/lib/libquiet.so"
# A build id that can be told at a glance: build 1 has 11 in every byte.
BUILDS = {number: image(bytes([0x11 * number]) * 20, b"This is build %d.\n" % number) for number in (1, 2)}
MODE = 0o755
_PLAN = Plan(((GREET, BUILDS[1]), (QUIET, BUILDS[1])), (Put(GREET, BUILDS[2]), Chmod(QUIET, MODE)))


class Scene(NamedTuple):
    """What everybody says of one mapping at one moment."""

    path: bytes
    claims: Claims
    answer: Answer


class File(NamedTuple):
    """A layer's file: its path, device and inode number, read with stat(2)."""

    path: bytes
    device: int
    inode: int
    build: int | None


class Story(NamedTuple):
    """The three scenes.

    *store* was the directory of the layers; *refused* says why the container had no user namespace, empty where it had
    one; *held* are the observer's capabilities that count, *uid* is its user. *quiet* are the two layers' files of the
    last scene.
    """

    pid: int
    store: bytes
    refused: str
    uid: int
    held: tuple[str, ...]
    before: Scene
    after: Scene
    silent: Scene
    quiet: tuple[File, ...]


def played() -> Story:
    """Return what was seen; the container is gone by then.

    Raises NoContainer, OSError, and what else a lookup raises.
    """
    try:
        with Container(_PLAN) as container, Session() as session:
            return _seen(container, session)
    except ProcessGone as error:
        raise NoContainer("cannot go on", "somebody ended the process in the container", denied=False) from error


def _seen(container: Container, session: Session) -> Story:
    own = capabilities.own()
    before = _scene(container, session, GREET)
    container.do(0)
    after = _scene(container, session, GREET)
    container.do(1)
    silent = _scene(container, session, QUIET)
    quiet = tuple(_file(container.store + layer + QUIET) for layer in (b"/lower", b"/upper"))
    return Story(container.pid, container.store, container.refused, os.geteuid(), own.held if own.initial else (),
                 before, after, silent, quiet)


def _scene(container: Container, session: Session, path: bytes) -> Scene:
    said = claims(container.pid, path)
    answers = session.lookup(container.pid).mappings
    answer = next((one for one in answers if one.vma == said.vma), None)
    if answer is None:
        raise ProcessGone(container.pid, seen=True)
    return Scene(path, said, answer)


def _file(path: bytes) -> File:
    with open(path, "rb") as file:
        seen, data = os.fstat(file.fileno()), file.read()
    return File(path, seen.st_dev, seen.st_ino, build(data))


def build(data: bytes | str) -> int | None:
    """Return the number of the build that bytes are, None where they are none of them, or were not read."""
    return next((number for number, image_ in BUILDS.items() if image_ == data), None)
