"""An answer with the container that its process is known to be in, and with the image's layers of its files."""

from typing import TypeVar

from mapsd.errors import AccessDenied, ProcessGone
from mapsd.light import Callable
from mapsd.model import Answer, Backing, ProcessAnswer, ProcessFacts, Skipped
from mapsd.model.containers import Container, Housed, ImageLayers, Uncontained, Unidentified
from mapsd.model.layers import LayerView, Met, OverlayView, ProcessLayers, Which
from mapsd.model.open import OpenAnswer, OpenFile
from mapsd.model.translated import View

_File = TypeVar("_File", Answer, OpenFile)
_Answer = TypeVar("_Answer", ProcessAnswer, OpenAnswer, ProcessLayers, Which, View)


def told(process: ProcessFacts, now: float, ask: Callable[[], Housed]) -> Housed:
    """Return what is said of a process's container; of one that is gone or denied that it is so."""
    try:
        return ask()
    except ProcessGone:
        return Housed(process, now, Uncontained("the process has exited"))
    except AccessDenied as error:
        return Housed(process, now, Unidentified(f"{error.what}: permission denied", (error.needs,)))


def answer(found: _Answer, housed: Housed) -> _Answer:
    """Return any answer about a process with its container: see the functions below."""
    if isinstance(found, ProcessAnswer):
        return mappings(found, housed)
    if isinstance(found, OpenAnswer):
        return files(found, housed)
    if isinstance(found, View):
        return view(found, housed)
    return overlays(found, housed) if isinstance(found, ProcessLayers) else which(found, housed)


def mappings(answer: ProcessAnswer, housed: Housed) -> ProcessAnswer:
    """Return an answer with its container, or with why that is not established among what was skipped."""
    container, skipped = _known(housed)
    return answer._replace(container=container, mappings=_in_image(answer.mappings, housed.image),
                           skipped=(*answer.skipped, *skipped))


def files(answer: OpenAnswer, housed: Housed) -> OpenAnswer:
    """Return the same of what a process has open."""
    container, skipped = _known(housed)
    return answer._replace(container=container, files=_in_image(answer.files, housed.image),
                           skipped=(*answer.skipped, *skipped))


def overlays(answer: ProcessLayers, housed: Housed) -> ProcessLayers:
    """Return a process's overlays with the engine's container that it is known to be in, and the image's layers."""
    found, image = housed.found, housed.image
    if not isinstance(found, Container) or found.engine is None:
        return answer
    those = tuple(_viewed(one, image) for one in answer.overlays)
    return answer._replace(container=found, overlays=those, skipped=(*answer.skipped, *_lacking(image)))


def which(answer: Which, housed: Housed) -> Which:
    """Return the same of what a name opens, and of what lies in the layers at it."""
    found, image = housed.found, housed.image
    if not isinstance(found, Container) or found.engine is None:
        return answer
    winner = answer.winner
    if winner is not None and winner.backing is not None:
        winner = winner._replace(backing=_placing(image)(winner.backing))
    descents = tuple(one._replace(met=tuple(_met(met, image) for met in one.met)) for one in answer.descents)
    return answer._replace(container=found, winner=winner, descents=descents,
                           skipped=(*answer.skipped, *_lacking(image)))


def view(found: View, housed: Housed) -> View:
    """Return the names of a file with the container of the process that was asked, and the image's layers."""
    container, skipped = _known(housed)
    placed = _placing(housed.image)
    names = tuple(one if one.opens is None else one._replace(opens=placed(one.opens)) for one in found.names)
    return found._replace(container=container, names=names, skipped=(*found.skipped, *skipped))


def _viewed(one: OverlayView, image: ImageLayers) -> OverlayView:
    return one._replace(layers=tuple(_layer(layer, image) for layer in one.layers))


def _layer(one: LayerView, image: ImageLayers) -> LayerView:
    path = None if one.directory is None else one.directory.path
    inner = None if one.inner is None else _viewed(one.inner, image)
    return one._replace(inner=inner, image_layer=image.of(path))


def _met(one: Met, image: ImageLayers) -> Met:
    directory = one.layer.dir
    return one._replace(image_layer=image.of(None if directory is None or not directory.mine else directory.path))


def _known(housed: Housed) -> tuple[Container | None, tuple[Skipped, ...]]:
    """Return the container where it is known, and what is not known of it or of its image."""
    found = housed.found
    if isinstance(found, Unidentified):
        return None, (Skipped("container", found.reason, next(iter(found.needs), "")),)
    return (found, _lacking(housed.image)) if isinstance(found, Container) else (None, ())


def _in_image(files: tuple[_File, ...], image: ImageLayers) -> tuple[_File, ...]:
    """Return mappings, or open files, with the image's layers that their backing files are in."""
    if not image.layers:
        return files
    placed = _placing(image)
    return tuple(one if one.backing is None else one._replace(backing=placed(one.backing)) for one in files)


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
