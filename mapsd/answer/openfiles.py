"""What one process has open, asked and answered: read, decide, read again, until nothing changed in between."""

from mapsd.answer.reading import ATTEMPTS, Asking, Reading, demand_alive, facts, read, scene
from mapsd.errors import AccessDenied
from mapsd.light import TYPE_CHECKING, NamedTuple
from mapsd.model import Absent, Answer, FileFacts, Refused, Skipped
from mapsd.model.open import LINKS, NAMED, Entry, OpenAnswer, OpenFile
from mapsd.parse.fdlink import kind_of
from mapsd.resolve.means import Means
from mapsd.resolve.openfile import answer
from mapsd.resolve.vma import Resolver

if TYPE_CHECKING:
    from mapsd.sources import Observed, Open, OpenAttempt

_UNSTEADY = "it was another file, or its mounts were others, each time it was read"


def open_files(pid: int, thread: int | None, asking: Asking) -> OpenAnswer:
    """Return what a process, or *thread* of it, has open.

    Build ids are not asked: an open file never holds what the overlay does not. Raises ProcessGone, AccessDenied,
    NoHost, ParseError.
    """
    seen = asking.source(pid, thread)
    try:
        return _open_files(seen, asking.proof)
    finally:
        seen.close()


class _Listed(NamedTuple):
    """The entries that could be read, and those that could not."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]


def _open_files(seen: "Observed", proof: str) -> OpenAnswer:
    known: dict[Entry, OpenFile] = {}
    process = seen.process
    before, listed = read(process), _listed(seen)
    for _ in range(ATTEMPTS):
        if listed.entries:
            demand_alive(process, before)
        missing = [entry for entry in listed.entries if _same(entry) not in known]
        known.update(_answers(seen, before, missing, proof))
        after, again = read(process), _listed(seen)
        if after != before:
            known.clear()
        before, listed = after, again
        if all(_same(entry) in known for entry in listed.entries):
            break
    files = tuple(_with_position(known.get(_same(entry)) or _unsteady(entry), entry) for entry in listed.entries)
    return OpenAnswer(facts(seen, before), seen.release(), seen.now(), files, listed.skipped)


def _listed(seen: "Observed") -> _Listed:
    """Return the entries. Raises ProcessGone, and AccessDenied where none may be read."""
    process, descriptors = seen.process, seen.open()
    numbers = descriptors.names()
    asked = [(fd, descriptors.entry(fd)) for fd in LINKS]
    if isinstance(numbers, Refused):
        asked.append(("fd", numbers))
    else:
        asked += [(fd, descriptors.entry(fd)) for fd in numbers]
    entries = tuple(one for _, one in asked if isinstance(one, Entry))
    lost = tuple(Skipped(what, one.reason, one.needs) for what, one in asked if isinstance(one, Refused))
    if lost and not entries:
        if process.stat().exiting:
            return _Listed((), ())  # a zombie has nothing open, and only root may see that
        raise AccessDenied(f"{process.pid}: fd", lost[0].needs)
    return _Listed(entries, lost)


def _same(entry: Entry) -> Entry:
    """Return what of an entry must not change while it is asked about: its position does with every read."""
    return entry if entry.info is None else entry._replace(info=entry.info._replace(position=0))


def _with_position(file: OpenFile, entry: Entry) -> OpenFile:
    return file._replace(info=entry.info)


def _unsteady(entry: Entry) -> OpenFile:
    kind = kind_of(entry.shown or b"/")
    if kind is not None:
        return _nameless(entry, kind)
    return OpenFile(entry.fd, "other", entry.shown, state="unknown", reason=_UNSTEADY)


def _nameless(entry: Entry, kind: str) -> OpenFile:
    return OpenFile(entry.fd, kind, entry.shown, inode=entry.info.inode if entry.info is not None else None)


def _answers(seen: "Observed", reading: Reading, entries: list[Entry], proof: str) -> dict[Entry, OpenFile]:
    attempt, descriptors = seen.open_attempt(), seen.open()
    try:
        means = Means(attempt.frames, None, attempt.vm_files, proof)
        rules = Resolver(scene(seen, reading, attempt.machine, descriptors), means)
        asked = _Asked(descriptors, attempt, rules)
        answers = ((_same(entry), asked.about(entry)) for entry in entries)
        return {entry: file for entry, file in answers if file is not None}
    finally:
        attempt.close()


class _Asked:
    """Answers entries; what several have open is asked about once."""

    def __init__(self, descriptors: "Open", attempt: "OpenAttempt", rules: Resolver) -> None:
        self._descriptors, self._attempt, self._rules = descriptors, attempt, rules
        self._known: dict[tuple[object, ...], OpenFile] = {}

    def about(self, entry: Entry) -> OpenFile | None:
        """Return what is known of an entry, None where it changed meanwhile."""
        kind = kind_of(entry.shown) if entry.shown is not None else None
        if kind is not None:
            return _nameless(entry, kind)
        seen = self._descriptors.hold(entry.fd)
        try:
            if isinstance(seen, Absent):
                return None
            if isinstance(seen, Refused):
                needs = (seen.needs,) if seen.needs else ()
                return OpenFile(entry.fd, "other", entry.shown, state="unknown", reason=seen.reason, needs=needs)
            return self._held(entry, seen)
        finally:
            self._attempt.forget()
            self._descriptors.release()

    def _held(self, entry: Entry, seen: FileFacts) -> OpenFile | None:
        if (entry.shown or b"") != seen.path:
            return None
        key = seen.st_dev, seen.inode, seen.mount_id, seen.handle, seen.path
        if key not in self._known:
            file = self._answered(entry, seen)
            if file is None:
                return None
            self._known[key] = file
        return self._known[key]._replace(fd=entry.fd)

    def _answered(self, entry: Entry, seen: FileFacts) -> OpenFile | None:
        kind = self._descriptors.kind()
        bare = OpenFile(entry.fd, kind, entry.shown, seen.st_dev, seen.inode)
        if kind == "file" and self._descriptors.is_shmem(seen):
            return bare._replace(kind="memfd" if seen.path.startswith(b"/memfd:") else "shm")
        if kind not in NAMED:
            return bare
        told = answer(entry.shown, kind, seen, self._attempt.printed, self._rules)
        if told is None or (_may_change(told) and self._descriptors.held() != seen):
            return None
        return _told(bare, told)


def _may_change(told: Answer) -> bool:
    """Return whether a copy-up changes the answer, and with it the times that the overlay shows: it is not undone."""
    return told.backing is not None and told.backing.overlaid and told.backing.layer_role != "upper"


def _told(bare: OpenFile, told: Answer) -> OpenFile:
    has_data = bare.kind in {"file", "directory", "symlink"}
    return bare._replace(
        user_path=told.user_path, host_path=told.host_path, openable_path=told.openable_path, mount=told.mount,
        backing=told.backing, state=told.state, proof=told.proof if has_data else None, evidence=told.evidence,
        reason=told.reason, needs=told.needs)
