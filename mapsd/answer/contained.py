"""A process with the container that it is in, and an answer with the image's layers that its files are in."""

from typing import TypeVar

from mapsd.answer import placed
from mapsd.answer.container import container
from mapsd.engines.stores import image_layers
from mapsd.light import TYPE_CHECKING
from mapsd.model import ProcessAnswer, ProcessFacts
from mapsd.model.containers import Container, Housed, Uncontained
from mapsd.model.layers import ProcessLayers, Which
from mapsd.model.open import OpenAnswer
from mapsd.model.translated import View

if TYPE_CHECKING:
    from mapsd.linux.live import Live

_Answer = TypeVar("_Answer", ProcessAnswer, OpenAnswer, ProcessLayers, Which, View)
_BESIDE = Uncontained("its root and its namespaces are ours")


def housed(process: ProcessFacts, thread: int | None, live: "Live", now: float) -> Housed:
    """Return what is known of a process's container, and its image's layers; *now* is in seconds since the epoch.

    Raises ProcessGone, AccessDenied, NoHost, ParseError.
    """
    if live.is_beside_us(process):
        return Housed(process, now, _BESIDE)
    found = container(process.pid, thread, live, process.start_time)
    if not isinstance(found, Container) or found.store is None:
        return Housed(process, now, found)
    beside = live.beside()
    try:
        return Housed(process, now, found, image_layers(found, beside.tree))
    finally:
        beside.close()


def contained(answer: _Answer, thread: int | None, live: "Live") -> _Answer:
    """Return an answer with its container, and with the image's layers of what it is about.

    Of a process that has exited since there is none. Raises NoHost, ParseError.
    """
    process, now = answer.process, answer.as_of
    return placed.answer(answer, placed.told(process, now, lambda: housed(process, thread, live, now)))
