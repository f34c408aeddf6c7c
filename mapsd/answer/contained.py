"""A process with the container that it is in, and an answer with the image's layers that its files are in."""

from mapsd.answer.container import container
from mapsd.engines.stores import image_layers
from mapsd.errors import AccessDenied, ProcessGone
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Backing, ProcessAnswer, ProcessFacts, Skipped
from mapsd.model.containers import Container, Housed, ImageLayers, Uncontained, Unidentified
from mapsd.model.open import OpenAnswer

if TYPE_CHECKING:
    from mapsd.linux.live import Live

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


def contained(answer: ProcessAnswer, thread: int | None, live: "Live") -> ProcessAnswer:
    """Return an answer with its container, or with why that is not established among what was skipped.

    Of a process that has exited since there is none. Raises NoHost, ParseError.
    """
    _, _, found, image = _housed(answer.process, thread, live, answer.as_of)
    if isinstance(found, Unidentified):
        return answer._replace(skipped=(*answer.skipped, _unidentified(found)))
    if not isinstance(found, Container):
        return answer
    placed = _placing(image)
    mappings = tuple(one if one.backing is None else one._replace(backing=placed(one.backing))
                     for one in answer.mappings)
    return answer._replace(container=found, mappings=mappings, skipped=(*answer.skipped, *_lacking(image)))


def opened(answer: OpenAnswer, thread: int | None, live: "Live") -> OpenAnswer:
    """Return the same of what a process has open. Raises as contained()."""
    _, _, found, image = _housed(answer.process, thread, live, answer.as_of)
    if isinstance(found, Unidentified):
        return answer._replace(skipped=(*answer.skipped, _unidentified(found)))
    if not isinstance(found, Container):
        return answer
    placed = _placing(image)
    files = tuple(one if one.backing is None else one._replace(backing=placed(one.backing)) for one in answer.files)
    return answer._replace(container=found, files=files, skipped=(*answer.skipped, *_lacking(image)))


def _housed(process: ProcessFacts, thread: int | None, live: "Live", now: float) -> Housed:
    try:
        return housed(process, thread, live, now)
    except ProcessGone:
        return Housed(process, now, Uncontained("the process has exited"))
    except AccessDenied as error:
        return Housed(process, now, Unidentified(f"{error.what}: permission denied", (error.needs,)))


def _unidentified(found: Unidentified) -> Skipped:
    return Skipped("container", found.reason, next(iter(found.needs), ""))


def _lacking(image: ImageLayers) -> tuple[Skipped, ...]:
    return () if image.reason is None else (Skipped("image layers", image.reason, ""),)


def _placing(image: ImageLayers) -> Callable[[Backing], Backing]:
    """Return what gives a backing file the image's layer that it is in."""
    known: dict[Backing, Backing] = {}

    def placed(backing: Backing) -> Backing:
        if backing not in known:
            metadata = None if backing.metadata is None else placed(backing.metadata)
            known[backing] = backing._replace(image_layer=image.of(backing.layer_path), metadata=metadata)
        return known[backing]
    return placed
