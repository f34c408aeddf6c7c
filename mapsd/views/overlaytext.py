"""A process's overlays as lines for a reader. No raw control byte leaves here."""

from mapsd.light import TYPE_CHECKING, Iterator, Sequence
from mapsd.model import Backing, Mount
from mapsd.model.layers import Directory, LayerView, OverlayView, ProcessLayers, Switch
from mapsd.views.render import escaped, printable
from mapsd.views.table import width

if TYPE_CHECKING:
    from mapsd.model.containers import Container

_SHORT = 12  # digits of an id, as engines print it
_STEP = "    "  # an overlay that lies below another one


def layers_lines(found: ProcessLayers) -> Iterator[str]:
    """Yield the overlays of a process in the order of its mount table, an empty line between them."""
    if found.container is not None:
        yield printable(f"container {contained(found.container)}")
        yield ""
    for number, one in enumerate(found.overlays):
        if number:
            yield ""
        yield from map(printable, _overlay(one, ""))


def _overlay(one: OverlayView, before: str) -> Iterator[str]:
    covered = {True: ", covered by a later mount", False: "", None: ", whether it is covered is not known"}
    said = covered[one.covered] if not before else ""
    yield f"{before}{mounted(one.mount)}{said}"
    yield from aligned([_switch_row(switch) for switch in one.switches], before + "  ")
    rows: list[tuple[str, ...]] = [("LAYER", "DEVICE", "INODE", "FS", "DIRECTORY")]
    for layer in one.layers:
        rows.append(_layer_row(layer))
        if layer.role == "upper":
            rows.append(_work_row(one))
    yield from aligned(rows, before + "  ")
    yield from _of_image(one.layers, before + "  ")
    for layer in one.layers:
        if layer.inner is not None:
            yield f"{before}  {layer.role}:{layer.position} lies on an overlay itself:"
            yield from _overlay(layer.inner, before + _STEP)


def _of_image(layers: Sequence[LayerView], before: str) -> Iterator[str]:
    """Yield which layers of the image the layers are, nothing where none is known to be one."""
    rows = [(f"{one.role}:{one.position}", str(one.image_layer.position), one.image_layer.diff_id or "-",
             one.image_layer.step or "-") for one in layers if one.image_layer is not None]
    if rows:
        yield from aligned([("LAYER", "POSITION", "DIFF_ID", "STEP"), *rows], before)


def contained(one: "Container") -> str:
    """Return a container in words."""
    told = [f"{one.engine} {(one.id or '?')[:_SHORT]}"]
    if one.image is not None:
        told.append(f"image {one.image}")
    if one.pod is not None:
        told.append(f"pod {one.pod}" if one.namespace is None else f"pod {one.namespace}/{one.pod}")
    return f"{one.name or one.id or '?'} ({', '.join(told)})"


def _switch_row(one: Switch) -> tuple[str, ...]:
    text = escaped(f"{one.name}={one.value}".encode() if one.value else one.name.encode())
    meaning = one.meaning or ("its default cannot be read" if one.value is None else "")
    if one.printed:
        return text, meaning
    return f"({text})", f"not printed{', so the default' if one.value is not None else ''}: {meaning}"


def _layer_row(one: LayerView) -> tuple[str, ...]:
    notes = []
    if one.directory is None:
        notes.append(because("not found: " + one.reason, one.needs))
    elif not one.reachable:
        notes.append(because("not reachable: " + one.reason, one.needs))
    elif not one.certain:
        notes.append(because("not certain: " + one.reason, one.needs))
    return f"{one.role}:{one.position}", *_place(one.directory, one.text, notes)


def _work_row(one: OverlayView) -> tuple[str, ...]:
    notes = ["not found"] if one.work_directory is None else []
    return "work", *_place(one.work_directory, one.work or b"", notes)


def _place(found: Directory | None, text: bytes, notes: list[str]) -> tuple[str, ...]:
    """Return the cells that say where a layer's directory is."""
    if found is None:
        return "-", "-", "-", noted(escaped(text), notes)
    if found.path is None:
        notes = ["not by a path of the observer's", *notes]
    elif found.path != text:
        notes = [f"mounted as {escaped(text)}", *notes]
    where = escaped(found.path if found.path is not None else found.openable or text)
    return str(found.device), str(found.inode), escaped(found.fs_type or b"?"), noted(where, notes)


def backed(one: Backing) -> str:
    """Return a file with its layer."""
    index = "" if one.layer_index is None else f":{one.layer_index}"
    role = f"{one.layer_role or '?'}{index}  " if one.overlaid else ""
    path = escaped(one.path) if one.path is not None else "(no name)"
    fs_type = escaped(one.fs_type) if one.fs_type else "?"
    return f"{role}{path}  {one.device or '?'} inode {'?' if one.inode is None else one.inode} {fs_type}"


def mounted(mount: Mount) -> str:
    """Return a mount in words."""
    return f"{escaped(mount.fs_type)} on {escaped(mount.mount_point)} ({mount.device}, mount {mount.id})"


def because(reason: str, needs: str) -> str:
    """Return a reason, and what would help."""
    return f"{reason} (needs {needs.replace(',', ' and ')})" if needs else reason


def noted(text: str, notes: Sequence[str]) -> str:
    """Return a text with notes behind it."""
    return f"{text}  ({'; '.join(notes)})" if notes else text


def aligned(rows: Sequence[tuple[str, ...]], before: str) -> Iterator[str]:
    """Yield rows with their cells below each other; the last is as long as it likes."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, last in rows:
        padded = (cell + " " * (room - width(cell)) for cell, room in zip(cells, widths, strict=True))
        yield before + "  ".join((*padded, last))
