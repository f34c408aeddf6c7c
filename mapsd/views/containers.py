"""Containers become text: a table for a reader, or a JSON object. No raw control byte leaves here."""

from mapsd.light import Iterator, NamedTuple
from mapsd.model.containers import Containers, ImageLayer, Running
from mapsd.views.render import JsonObject, container_object, layer_of_image, moment, path_object, printable
from mapsd.views.table import Heading, Line, Table

_HEADINGS = ("CONTAINER", "ENGINE", "ID", "IMAGE", "POD", "PID", "PROCESSES")
_SHORT = 12  # letters of an id, as engines print them


class _Cells(NamedTuple):
    name: str | None
    engine: str | None
    id: str | None
    image: str | None
    pod: str | None
    pid: str
    processes: str


def lines(found: Containers, *, headed: bool = True) -> Iterator[str]:
    """Yield the lines of a table of containers, none where there is none."""
    rows = [Line(tuple(printable(cell) if cell else "-" for cell in _cells(one))) for one in found.running]
    if rows:
        yield from Table([Heading(name) for name in _HEADINGS], headed=headed).lines(rows)


def _cells(one: Running) -> _Cells:
    container = one.container
    pod = container.pod if container.namespace is None else f"{container.namespace}/{container.pod}"
    short = container.id[:_SHORT] if container.id is not None else None
    return _Cells(container.name or ("(no engine)" if container.engine is None else None), container.engine, short,
                  container.image, pod, str(one.pids[0]) if one.pids else "-", str(len(one.pids)))


def as_object(found: Containers) -> JsonObject:
    """Return the object of docs/schema/containers.json."""
    return {"schema": "mapsd/v1", "as_of": moment(found.as_of), "containers": [_object(one) for one in found.running],
            "skipped": [{"what": str(pid), "reason": why.reason, "needs": next(iter(why.needs), None)}
                        for pid, why in found.unidentified], "gone": found.gone, "denied": found.denied}


def _object(one: Running) -> JsonObject:
    return {**container_object(one.container), "pids": list(one.pids),
            "layers": [_layer(layer) for layer in one.image.layers], "layers_reason": one.image.reason}


def _layer(layer: ImageLayer) -> JsonObject:
    return {**layer_of_image(layer), **path_object("path", layer.directory)}
