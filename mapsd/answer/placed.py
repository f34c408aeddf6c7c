"""An answer with the container that its process is known to be in, and with the image's layers of its files."""

from mapsd.errors import AccessDenied, ProcessGone
from mapsd.light import Callable
from mapsd.model import Backing, ProcessAnswer, ProcessFacts, Skipped
from mapsd.model.containers import Container, Housed, ImageLayers, Uncontained, Unidentified
from mapsd.model.open import OpenAnswer


def told(process: ProcessFacts, now: float, ask: Callable[[], Housed]) -> Housed:
    """Return what is said of a process's container; of one that is gone or denied that it is so."""
    try:
        return ask()
    except ProcessGone:
        return Housed(process, now, Uncontained("the process has exited"))
    except AccessDenied as error:
        return Housed(process, now, Unidentified(f"{error.what}: permission denied", (error.needs,)))


def mappings(answer: ProcessAnswer, housed: Housed) -> ProcessAnswer:
    """Return an answer with its container, or with why that is not established among what was skipped."""
    found, image = housed.found, housed.image
    if isinstance(found, Unidentified):
        return answer._replace(skipped=(*answer.skipped, _unidentified(found)))
    if not isinstance(found, Container):
        return answer
    placed = _placing(image)
    those = tuple(one if one.backing is None else one._replace(backing=placed(one.backing)) for one in answer.mappings)
    return answer._replace(container=found, mappings=those, skipped=(*answer.skipped, *_lacking(image)))


def files(answer: OpenAnswer, housed: Housed) -> OpenAnswer:
    """Return the same of what a process has open."""
    found, image = housed.found, housed.image
    if isinstance(found, Unidentified):
        return answer._replace(skipped=(*answer.skipped, _unidentified(found)))
    if not isinstance(found, Container):
        return answer
    placed = _placing(image)
    those = tuple(one if one.backing is None else one._replace(backing=placed(one.backing)) for one in answer.files)
    return answer._replace(container=found, files=those, skipped=(*answer.skipped, *_lacking(image)))


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
