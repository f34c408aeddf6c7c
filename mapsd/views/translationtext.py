"""The names of a file that somebody else named, as lines for a reader. No raw control byte leaves here."""

from mapsd.light import Iterator
from mapsd.model import Backing, Layer, Skipped
from mapsd.model.translated import Hider, Name, Translation, View
from mapsd.views.overlaytext import aligned, backed, because, noted
from mapsd.views.render import CONFIDENCE, escaped, printable

_SHOWN = 3  # processes of which the same was not searched
_SEEN = frozenset({"visible", "metadata"})
HEADINGS = ("PID", "WHAT", "CONFIDENCE", "LAYER", "USER_PATH")


def translation_lines(found: Translation) -> Iterator[str]:
    """Yield the names of each file that was found, file by file, and what could not be looked through."""
    yield from map(printable, _lines(found))


def _lines(found: Translation) -> Iterator[str]:
    rows: dict[Backing, list[tuple[str, ...]]] = {}
    for view in found.views:
        for name in view.names:
            rows.setdefault(_plain(name.file), []).append(_row(view, name))
    gap = False
    for file, names in rows.items():
        yield from [""] * gap
        yield f"file  {backed(file)}"
        yield from aligned([HEADINGS, *names], "")
        gap = True
    for what, pids in _skipped(found).items():
        yield from [""] * gap
        yield f"not searched by {_some(pids)}: {what.what}: {because(what.reason, what.needs)}"
        gap = False


def _plain(file: Backing) -> Backing:
    """Return a file without its layer, which each row has."""
    return Backing(file.path, file.device, file.inode, file.fs_type)


def _row(view: View, name: Name) -> tuple[str, ...]:
    notes = [] if name.by is None else [f"by {_hider(name.by)}"]
    if name.what == "hidden" and name.opens is not None:
        notes.append(f"opens {backed(name.opens)}")
    if name.opens is not None and name.opens.metadata is not None:
        notes.append(f"metadata of {backed(name.opens.metadata)}")
    if name.reason:
        notes.append(because(name.reason, ",".join(name.needs)))
    path = "-" if name.user_path is None else escaped(name.user_path)
    return (_of(list(view.pids)), name.what, CONFIDENCE[name.proof] if name.proof else "-",
            "-" if name.layer is None else _layer(name.layer), noted(path, notes))


def _of(pids: list[int]) -> str:
    return f"{pids[0]}{f'+{len(pids) - 1}' if pids[1:] else ''}"


def _some(pids: list[int]) -> str:
    shown = ", ".join(map(str, pids[:_SHOWN]))
    return f"{shown} and {len(pids) - _SHOWN} others" if pids[_SHOWN:] else shown


def _layer(one: Layer) -> str:
    return f"{one.role}:{one.position}{'' if one.certain else '?'}"


def _hider(one: Hider) -> str:
    if one.mount is not None:
        return f"{one.what} {one.mount.id}, {escaped(one.mount.fs_type)} on {escaped(one.mount.mount_point)}"
    return f"{one.what}{'' if one.layer is None else f' {_layer(one.layer)} {escaped(one.path)}'}"


def _skipped(found: Translation) -> dict[Skipped, list[int]]:
    skipped: dict[Skipped, list[int]] = {}
    for view in found.views:
        # Where a name opens the file, that there may be others is for the JSON to say.
        for one in () if any(name.what in _SEEN for name in view.names) else view.skipped:
            skipped.setdefault(one, []).append(view.process.pid)
    return skipped
