"""The names of a file that somebody else named, as lines for a reader. No raw control byte leaves here."""

from mapsd.light import Iterator, Sequence
from mapsd.model import Backing, Layer, Skipped
from mapsd.model.translated import Hider, Name, Translation, View
from mapsd.views.overlaytext import aligned, backed, because, noted
from mapsd.views.render import CONFIDENCE, escaped, printable

_NAMED = 3  # processes of which the same was not searched
_SEEN = frozenset({"visible", "metadata"})
_OF_CONTAINER = ("CONTAINER", "IMAGE", "POD")
HEADINGS = ("PID", *_OF_CONTAINER, "WHAT", "CONFIDENCE", "LAYER", "USER_PATH")
# What was not established of a container is no place where a file was not looked for.
_NO_PLACES = frozenset({"container", "image layers"})


def translation_lines(found: Translation) -> Iterator[str]:
    """Yield the names of each file that was found, file by file, and what could not be looked through."""
    yield from map(printable, _lines(found))


def _lines(found: Translation) -> Iterator[str]:
    rows: dict[Backing, list[tuple[str, ...]]] = {}
    for view in found.views:
        for name in view.names:
            rows.setdefault(_plain(name.file), []).append(_row(view, name))
    shown = _shown([row for names in rows.values() for row in names])
    gap = False
    for file, names in rows.items():
        yield from [""] * gap
        yield f"file  {backed(file)}"
        yield from aligned([tuple(row[place] for place in shown) for row in (HEADINGS, *names)], "")
        gap = True
    for what, pids in _skipped(found).items():
        yield from [""] * gap
        yield f"not searched by {_some(pids)}: {what.what}: {because(what.reason, what.needs)}"
        gap = False


def _shown(rows: Sequence[tuple[str, ...]]) -> list[int]:
    """Return which columns are shown: of containers those in which somebody has something."""
    used = {HEADINGS[place] for row in rows for place, cell in enumerate(row) if cell != "-"}
    return [place for place, name in enumerate(HEADINGS) if name in used or name not in _OF_CONTAINER]


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
    return (_of(list(view.pids)), *_container(view), name.what, CONFIDENCE[name.proof] if name.proof else "-",
            "-" if name.layer is None else _layer(name.layer), noted(path, notes))


def _container(view: View) -> tuple[str, str, str]:
    """Return a container's name, image and pod."""
    one = view.container
    if one is None:
        return "?" if any(skipped.what == "container" for skipped in view.skipped) else "-", "-", "-"
    pod = one.pod if one.namespace is None else f"{one.namespace}/{one.pod}"
    return one.name or one.id or "(no engine)", one.image or "-", pod or "-"


def _of(pids: list[int]) -> str:
    return f"{pids[0]}{f'+{len(pids) - 1}' if pids[1:] else ''}"


def _some(pids: list[int]) -> str:
    shown = ", ".join(map(str, pids[:_NAMED]))
    return f"{shown} and {len(pids) - _NAMED} others" if pids[_NAMED:] else shown


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
            if one.what in _NO_PLACES:
                continue
            skipped.setdefault(one, []).append(view.process.pid)
    return skipped
