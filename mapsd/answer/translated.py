"""A file that somebody else named, sought among what one process sees: the names that open it."""

from mapsd.answer.layernames import CHANGES
from mapsd.answer.names import Names
from mapsd.answer.reading import Reading, demand_root, facts, scene, skipped, steadily
from mapsd.answer.wanted import Looking, sought
from mapsd.errors import AccessDenied, ParseError
from mapsd.light import TYPE_CHECKING, Callable, NamedTuple
from mapsd.model import Skipped
from mapsd.model.translated import Numbered, View, Wanted
from mapsd.parse.maps import parse
from mapsd.resolve.possible import Texts
from mapsd.resolve.stacks import view

if TYPE_CHECKING:
    from mapsd.sources import Layers, Observed, Search, Source

_UNSTEADY = Skipped("mounts", "the process's mounts or root changed each time they were read", "")


class Means(NamedTuple):
    """What all processes of one question share: what walks through directories, and what the texts of layers name."""

    search: "Callable[[Layers], Search]"
    texts: Texts


def translated(pid: int, thread: int | None, wanted: Wanted, source: "Source", means: Means) -> View:
    """Return the names by which a process, or *thread* of it, opens or would open a file.

    Raises ProcessGone, AccessDenied, NoHost, ParseError.
    """
    seen = source(pid, thread)
    try:
        return _translated(seen, wanted, means)
    finally:
        seen.close()


def _translated(seen: "Observed", wanted: Wanted, means: Means) -> View:
    found, steady = steadily(seen.process, lambda reading: _answer(seen, reading, wanted, means))
    if steady:
        return found
    names = tuple(name._replace(what="unknown", by=None, opens=None, proof="", evidence=(), reason=CHANGES)
                  for name in found.names)
    return found._replace(names=names, skipped=(*found.skipped, _UNSTEADY))


def _answer(seen: "Observed", reading: Reading, wanted: Wanted, means: Means) -> View:
    demand_root(seen.process, reading)
    attempt = seen.attempt()
    try:
        here = scene(seen, reading, attempt.machine)
        mounts = view(here)
        looking = Looking(means.search(attempt.machine), means.texts, lambda numbers: _mapped(seen, numbers))
        found = sought(wanted, mounts, here, looking)
        names = tuple(dict.fromkeys(Names(seen, here, mounts).all(found)))
    finally:
        attempt.close()
    return View(facts(seen, reading), seen.release(), seen.now(), (seen.process.pid,), names,
                (*found.seeker.skipped.values(), *skipped(reading)), found.problem)


def _mapped(seen: "Observed", wanted: Numbered) -> list[bytes]:
    """Return what maps calls the mapped files with these numbers: no directory needs to be searched for them."""
    try:
        maps = seen.maps()
    except AccessDenied:
        return []
    try:
        vmas = parse(maps.read())
    except ParseError:
        # It was read while it changed. These are proposals only.
        return []
    finally:
        maps.close()
    return list(dict.fromkeys(vma.name for vma in vmas if (vma.device, vma.inode) == wanted and vma.name[:1] == b"/"))
