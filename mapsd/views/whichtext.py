"""The file that a name opens as lines for a reader. No raw control byte leaves here."""

from mapsd.light import Iterator, Sequence
from mapsd.model import FileFacts
from mapsd.model.layers import Descent, Met, Way, Which, Winner
from mapsd.views.overlaytext import aligned, backed, because, contained, mounted, noted
from mapsd.views.render import CONFIDENCE, escaped, printable


def which_lines(found: Which) -> Iterator[str]:
    """Yield which file a name opens, how that is known, and what every layer has of the name."""
    yield from map(printable, _which(found))


def _which(found: Which) -> Iterator[str]:
    seen, winner = found.way.found, found.winner
    rows = [] if found.container is None else [("container", contained(found.container))]
    rows.append(("path", escaped(found.way.path if isinstance(seen, FileFacts) else _whole(found.way))))
    rows += [("link", f"{escaped(link.path)} -> {escaped(link.text)}") for link in found.way.links]
    rows.append(("kind", seen.kind) if isinstance(seen, FileFacts) else ("opens", f"nothing: {found.failure}"))
    if found.mount is not None:
        rows.append(("mount", mounted(found.mount)))
    if winner is not None:
        rows.append(("opens", _opens(found)))
        rows += _image_rows(winner)
        if winner.backing is not None and winner.backing.metadata is not None:
            rows.append(("metadata", backed(winner.backing.metadata)))
        rows += [("through", backed(one)) for one in (winner.backing.through if winner.backing else ())]
        rows.append(("confidence", _confidence(found)))
        if winner.reason:
            rows.append(("reason", because(winner.reason, ",".join(winner.needs))))
    yield from aligned(rows, "")
    for descent in found.descents:
        yield from _descent(descent, several=len(found.descents) > 1)


def _image_rows(winner: Winner) -> list[tuple[str, str]]:
    """Return which layer of the image has the file, and the step of the build that made it."""
    layer = None if winner.backing is None else winner.backing.image_layer
    if layer is None:
        return []
    position = ("image", f"layer {layer.position}" + ("" if layer.diff_id is None else f", {layer.diff_id}"))
    return [position] if layer.step is None else [position, ("step", layer.step)]


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
        yield f"in the layers of the {mounted(one.mount)}:"
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
    if one.image_layer is not None:
        notes.append(f"layer {one.image_layer.position} of the image")
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
