"""A file that somebody else named, among the names that a recording has: those of mapped files."""

from mapsd.answer.translation import demand_absolute
from mapsd.light import Iterator, Sequence
from mapsd.model import Absent, Backing, DeviceId, FileFacts, Layer, ProcessAnswer, Skipped
from mapsd.model.layers import Met, Which
from mapsd.model.translated import Inside, Name, Numbered, OnHost, Translation, View, Wanted
from mapsd.resolve.hiding import Sought, verdict

LIMITED = Skipped("names", "a recording has only those of files that were mapped", "")


def translation(wanted: Wanted, recorded: Sequence[tuple[ProcessAnswer, Sequence[Which]]]) -> Translation:
    """Return what each of the recorded names is to a file; a process stands for itself alone. Raises UsageError."""
    demand_absolute(wanted)
    views = [View(one.process, one.release, one.as_of, (one.process.pid,),
                  tuple(dict.fromkeys(name for found in answers for name in _names(found, wanted))), (LIMITED,))
             for one, answers in recorded]
    newest = max((one for one, _ in recorded), key=lambda one: one.as_of)
    return Translation(wanted, newest.release, newest.as_of, tuple(views))


def _names(found: Which, wanted: Wanted) -> Iterator[Name]:
    seen, winner = found.way.found, found.winner
    if isinstance(seen, FileFacts) and seen.kind != "file":
        return
    for descent in found.descents:
        for one in descent.met:
            if one.named and one.file is not None and _is_meant(wanted, one.file, one.layer, one.path):
                yield from _of_layer(found, one, descent.mount.device)
    own = isinstance(wanted, Numbered) and found.mount is not None and isinstance(seen, FileFacts) and (
        (found.mount.device, seen.inode) == wanted)
    plain = not found.descents and winner is not None and winner.backing is not None and (
        _is_meant(wanted, winner.backing, None, b""))
    if own or plain:
        yield _visible(found, _itself(found), None, b"")


def _itself(found: Which) -> Backing:
    """Return the file that a name opens on its own mount."""
    seen, mount = found.way.found, found.mount
    if not found.descents and found.winner is not None and found.winner.backing is not None:
        return found.winner.backing
    inode = seen.inode if isinstance(seen, FileFacts) else None
    return Backing(None, None if mount is None else mount.device, inode, None if mount is None else mount.fs_type)


def _of_layer(found: Which, one: Met, overlay: DeviceId) -> Iterator[Name]:
    if not isinstance(one.found, FileFacts) or one.file is None or one.found.kind != "file":
        return
    marks: frozenset[tuple[object, ...]] = frozenset([(overlay, one.layer.position, one.path)])
    said = verdict(Sought(one.found, one.file, marks), found.descents, found.winner,
                   opens_nothing=isinstance(found.way.found, Absent))
    if said is None:
        return
    made = _visible(found, one.file, one.layer, one.path)._replace(what=said.what, by=said.by)
    if said.what in {"visible", "metadata"}:
        yield made
    else:
        yield made._replace(openable_path=None, reason=said.reason, needs=said.needs)


def _visible(found: Which, file: Backing, layer: Layer | None, inner: bytes) -> Name:
    path = found.way.path if isinstance(found.way.found, FileFacts) else found.asked
    name = Name(file, layer, inner, path, found.openable_path, found.mount, "visible")
    winner = found.winner
    if winner is None:
        return name
    return name._replace(opens=winner.backing, proof=winner.proof, evidence=winner.evidence,
                         reason=winner.reason or "", needs=winner.needs)


def _is_meant(wanted: Wanted, file: Backing, layer: Layer | None, inner: bytes) -> bool:
    match wanted:
        case OnHost(path):
            return file.path == path
        case Inside(path):
            above = b"" if layer is None or layer.dir is None else layer.dir.path
            whole = above.rstrip(b"/") + b"/" + inner
            return layer is not None and path.endswith(b"/" + inner) and whole.endswith(path)
        case Numbered(device, inode):
            return (file.device, file.inode) == (device, inode)
