"""A process's overlays, and the file that a name opens, as lines for a reader. No raw control byte leaves here."""

from mapsd.light import Iterator, Sequence
from mapsd.model import Backing, FileFacts, Mount
from mapsd.model.layers import Descent, Directory, LayerView, Met, OverlayView, ProcessLayers, Switch, Way, Which
from mapsd.views.render import CONFIDENCE, escaped, printable
from mapsd.views.table import width

_STEP = "    "  # an overlay that lies below another one


def layers_lines(found: ProcessLayers) -> Iterator[str]:
    """Yield the overlays of a process in the order of its mount table, an empty line between them."""
    for number, one in enumerate(found.overlays):
        if number:
            yield ""
        yield from map(printable, _overlay(one, ""))


def _overlay(one: OverlayView, before: str) -> Iterator[str]:
    covered = {True: ", covered by a later mount", False: "", None: ", whether it is covered is not known"}
    said = covered[one.covered] if not before else ""
    yield f"{before}{_mounted(one.mount)}{said}"
    yield from aligned([_switch_row(switch) for switch in one.switches], before + "  ")
    rows: list[tuple[str, ...]] = [("LAYER", "DEVICE", "INODE", "FS", "DIRECTORY")]
    for layer in one.layers:
        rows.append(_layer_row(layer))
        if layer.role == "upper":
            rows.append(_work_row(one))
    yield from aligned(rows, before + "  ")
    for layer in one.layers:
        if layer.inner is not None:
            yield f"{before}  {layer.role}:{layer.position} lies on an overlay itself:"
            yield from _overlay(layer.inner, before + _STEP)


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


def which_lines(found: Which) -> Iterator[str]:
    """Yield which file a name opens, how that is known, and what every layer has of the name."""
    yield from map(printable, _which(found))


def _which(found: Which) -> Iterator[str]:
    seen, winner = found.way.found, found.winner
    rows = [("path", escaped(found.way.path if isinstance(seen, FileFacts) else _whole(found.way)))]
    rows += [("link", f"{escaped(link.path)} -> {escaped(link.text)}") for link in found.way.links]
    rows.append(("kind", seen.kind) if isinstance(seen, FileFacts) else ("opens", f"nothing: {found.failure}"))
    if found.mount is not None:
        rows.append(("mount", _mounted(found.mount)))
    if winner is not None:
        rows.append(("opens", _opens(found)))
        if winner.backing is not None and winner.backing.metadata is not None:
            rows.append(("metadata", backed(winner.backing.metadata)))
        rows += [("through", backed(one)) for one in (winner.backing.through if winner.backing else ())]
        rows.append(("confidence", _confidence(found)))
        if winner.reason:
            rows.append(("reason", because(winner.reason, ",".join(winner.needs))))
    yield from aligned(rows, "")
    for descent in found.descents:
        yield from _descent(descent, several=len(found.descents) > 1)


def _opens(found: Which) -> str:
    winner = found.winner
    if winner is not None and winner.backing is not None:
        return backed(winner.backing)
    return merged(found.descents[0].met) if found.descents else "?"


def merged(met: Sequence[Met]) -> str:
    """Return of which layers a directory is, a question mark where that is not known."""
    layers = [_layer(one) for one in met if one.what == "merged"]
    return f"a directory of {', '.join(layers)}" if layers else "?"


def _whole(way: Way) -> bytes:
    return way.path.rstrip(b"/") + b"/" + way.rest if way.rest else way.path


def _confidence(found: Which) -> str:
    winner = found.winner
    if winner is None:
        return ""
    said = "; ".join(one.detail for one in winner.evidence)
    return f"{CONFIDENCE[winner.proof]}{': ' if said else ''}{said}"


def _descent(one: Descent, *, several: bool) -> Iterator[str]:
    yield ""
    if several:
        yield f"in the layers of the {_mounted(one.mount)}:"
    yield from met_lines(one.met)
    if one.met and not one.visible:
        yield because("opaque directories, redirects, metacopies and whiteouts by attribute cannot be seen",
                       "CAP_SYS_ADMIN")


def met_lines(met: Sequence[Met]) -> Iterator[str]:
    """Yield what lies in each layer at a name and on the way to it."""
    if not met:
        yield "no layer has anything of this name"
        return
    yield from aligned([("LAYER", "WHAT", "DEVICE", "INODE", "PATH"), *(_met(one, met) for one in met)], "")


def _met(one: Met, met: Sequence[Met]) -> tuple[str, ...]:
    notes = []
    found = one.found
    if isinstance(found, FileFacts) and found.kind not in {"file", "whiteout"}:
        notes.append(found.kind)
    if one.what == "whiteout" and isinstance(found, FileFacts) and found.kind == "file":
        notes.append("by attribute")
    if one.opaque:
        notes.append("opaque")
    if one.redirect is not None:
        notes.append(f"redirect to {escaped(one.redirect)}")
    if one.by is not None:
        hider = met[one.by]
        notes.append(f"by {_layer(hider)} {escaped(hider.path) or '/'}")
    if one.reason:
        notes.append(because(one.reason, one.needs))
    file = one.file
    device, inode = ("-", "-") if file is None else (str(file.device or "?"), str(file.inode))
    return _layer(one), one.what, device, inode, noted(_where(one), notes)


def _layer(one: Met) -> str:
    return f"{one.layer.role}:{one.layer.position}{'' if one.layer.certain else '?'}"


def _where(one: Met) -> str:
    path = one.file.path if one.file is not None else None
    return escaped(path) if path is not None else f"? {escaped(one.path) or '/'}"


def backed(one: Backing) -> str:
    """Return a file with its layer."""
    index = "" if one.layer_index is None else f":{one.layer_index}"
    role = f"{one.layer_role or '?'}{index}  " if one.overlaid else ""
    path = escaped(one.path) if one.path is not None else "(no name)"
    fs_type = escaped(one.fs_type) if one.fs_type else "?"
    return f"{role}{path}  {one.device or '?'} inode {'?' if one.inode is None else one.inode} {fs_type}"


def _mounted(mount: Mount) -> str:
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
