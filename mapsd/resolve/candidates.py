"""Which files an overlay mapping may hold.

An overlay's file has at most two data files in its life: the lower one, and the upper copy.
Its own handle (name_to_handle_at with AT_HANDLE_FID, Linux 6.6) names where it came from: the lower
file, or an upper file that never had one. That names one candidate beyond doubt; whether a copy
exists is read in the upper layer after the maps line.
"""

from mapsd.light import NamedTuple
from mapsd.model import Absent, Backing, FileFacts, Refused, Vma
from mapsd.parse.overlay_xattrs import OVERLAY_FID, origin, overlay_handle
from mapsd.ports import InLayer
from mapsd.resolve.finding import NOTHING, Possible
from mapsd.resolve.layerfile import WHOLE_SECONDS, Candidate, asker, backing_of, in_layer, is_uncopied, shows_alone
from mapsd.resolve.lookup import Hit, Miss, Undecided, is_whiteout, lookup
from mapsd.resolve.lowers import Lower, Question, lower_of
from mapsd.resolve.moved import are_older
from mapsd.resolve.overlays import Overlay
from mapsd.resolve.scene import Place, Scene, same_file
from mapsd.resolve.times import is_before
from mapsd.resolve.uppers import indexed, named_upper, unlinked_upper, upper_of

NEEDS_FRAMES = "CAP_SYS_ADMIN"


class Candidates(NamedTuple):
    """What the mapping may hold.

    *copy* says whether an upper copy with data of its own exists: yes, no, or unknown with *reason*.
    *pure_upper* says that there never was a lower file; without it a lower of None was only not found.
    *sure* says that the lower file was found by its identity, not by walking to it through directories
    that only a text names; *settled* that those directories did not change since the mount, or that the overlay
    shows what this very file has. *others* are lower files with the same handle on other filesystems: only a page
    frame tells them from *lower*. *possible* are all of them together.
    """

    lower: Candidate | None
    upper: Candidate | None
    copy: str
    reason: str = ""
    needs: str = ""
    metadata: Backing | None = None
    unlinked: Backing | None = None
    pure_upper: bool = False
    sure: bool = True
    settled: bool = False
    others: tuple[Candidate, ...] = ()
    possible: Possible = NOTHING

    def files(self) -> tuple[Backing, ...]:
        """Return every file that is possible: the lower ones, then the upper one, which may have no name any more."""
        lowers = () if self.lower is None else (self.lower.backing, *(one.backing for one in self.others))
        upper = self.upper.backing if self.upper is not None else None if self.copy == "no" else self.unlinked
        return lowers if upper is None else (*lowers, upper)


def candidates(vma: Vma, place: Place, overlay: Overlay, scene: Scene) -> Candidates | None:
    """Return what a mapping of an overlay file may hold, None where its handle does not say.

    A handle inside the handle is another overlay's (nfs_export=on below): what it names holds no bytes itself.
    """
    wanted = overlay_handle(place.facts.handle) if place.facts is not None else None
    if wanted is None or wanted.handle.type == OVERLAY_FID or place.facts is None:
        return None
    found = _found(Question(vma, wanted, overlay, place.inner, place.verdict == "live", scene, place.facts))
    unlinked = unlinked_upper(overlay, scene) if overlay.has_upper() else None
    known = found._replace(unlinked=unlinked, settled=overlay.settled or found.settled)
    return known._replace(possible=Possible(known.files(), known.copy, known.reason, overlay.layers))


def _found(asked: Question) -> Candidates:
    if asked.wanted.upper and asked.overlay.options.flag("nfs_export") == "on":
        return _exported_upper(asked)
    if asked.wanted.upper:
        return Candidates(None, upper_of(asked)[0], "yes", pure_upper=True)
    lower = lower_of(asked, asked.wanted)
    data = _lower_data(lower, asked)
    if asked.live and asked.path is not None:
        found = _with_copy(data, lower, asked, asked.path)
        found = found._replace(settled=found.copy == "no" and found.metadata is None and _is_shown(lower, asked))
    else:
        reason = data.reason or "an upper copy that was unlinked since looks like the lower file"
        found = data._replace(copy="unknown", reason=reason, upper=named_upper(asked))
    if found.copy == "unknown" and found.upper is None:
        return found._replace(upper=indexed(asked))
    return found


def _exported_upper(asked: Question) -> Candidates:
    # With nfs_export=on an upper file's handle is its own, also where it was copied up: its origin says from where.
    upper, facts = upper_of(asked)
    if facts is None or not asked.scene.machine.reads_trusted():
        return Candidates(None, upper, "unknown", "the upper file's origin cannot be read", "CAP_SYS_ADMIN")
    source = dict(facts.xattrs).get("origin")
    if source is None:
        return Candidates(None, upper, "yes", pure_upper=True)
    named = origin(source)
    plain = named is not None and named.handle.type != OVERLAY_FID
    lower = lower_of(asked, named) if named is not None and plain else None
    copy = "yes" if lower is not None else "unknown"
    return Candidates(lower.candidate if lower else None, upper, copy, "the upper file's origin was not found")


def _lower_data(lower: Lower | None, asked: Question) -> Candidates:
    """Return the lower data file: the origin itself, or what a metacopy among the lowers leads to."""
    if lower is None:
        return Candidates(None, None, "unknown", "the lower file was not found", "CAP_DAC_READ_SEARCH")
    match is_metacopy(lower.facts, asked.overlay, asked.scene):
        case False:
            return Candidates(lower.candidate, None, "unknown", sure=lower.sure, others=lower.others)
        case None:
            return Candidates(None, None, "unknown", "whether the lower file holds data is in a trusted attribute",
                              "CAP_SYS_ADMIN")
    if lower.piece is None:
        return Candidates(None, None, "unknown", "the lower file holds metadata only, and its layer is not known")
    scene, top = asked.scene, lower.piece.layer.position
    layers = [layer for layer in asked.overlay.lowers() if layer.position >= top]
    match lookup(layers, lower.piece.path, asker(asked.overlay, scene)):
        case Hit(data, metadata) if same_file((metadata or data).facts, lower.facts):
            named = backing_of(metadata.facts, metadata.layer, scene) if metadata else None
            return Candidates(in_layer(data, scene), None, "unknown", metadata=named, sure=False)
        case Undecided(reason, needs):
            return Candidates(None, None, "unknown", reason, needs)
        case Hit() | Miss():
            return Candidates(None, None, "unknown", "the lower file's data was not found in the layers")


def is_metacopy(facts: FileFacts, overlay: Overlay, scene: Scene) -> bool | None:
    """Return whether a file of a layer holds metadata only, None where its attribute may be hidden."""
    if any(name == "metacopy" for name, _ in facts.xattrs):
        return True
    visible = overlay.options.userxattr or scene.machine.reads_trusted()
    possible = overlay.options.data or overlay.maybe("metacopy", scene)
    return None if possible and not visible else False


def _with_copy(data: Candidates, lower: Lower | None, asked: Question, path: bytes) -> Candidates:
    overlay = asked.overlay
    if not overlay.has_upper():
        return data._replace(copy="no")
    if overlay.upper is None:
        # The overlay shows the times of its real file, and a copy made after the mount has a later one.
        if _untouched(lower, asked) and overlay.born is not None and is_before(asked.facts.changed, overlay.born):
            return data._replace(copy="no")
        return data._replace(copy="unknown", reason="the upper layer's directory was not found by identity",
                             needs="CAP_DAC_READ_SEARCH")
    found = asked.scene.machine.entry(overlay.upper, path, overlay.prefix)
    if isinstance(found, Refused):
        reason = f"the upper layer cannot be asked: {found.reason}"
        return data._replace(copy="unknown", reason=reason, needs=found.needs)
    if not isinstance(found, Absent):
        return _copy(found, data, asked, path)
    if _untouched(lower, asked):
        return data._replace(copy="no")
    if lower is None:
        return data._replace(copy="unknown")
    # A hard link's copy is in the index under another name, or somebody moved the copy in the upper layer.
    reason = WHOLE_SECONDS if lower.facts.changed == asked.facts.changed else (
        "the overlay shows another time of change than the lower file has: it was copied up, and the copy is not at "
        "its name")
    return data._replace(copy="unknown", reason=reason, needs=NEEDS_FRAMES)


def _is_shown(lower: Lower | None, asked: Question) -> bool:
    """Return whether the overlay shows the number of the lower file as well: a second file had all that by chance.

    One of a copy of the whole filesystem has it all, but is mounted later than the overlay.
    """
    overlay = asked.overlay
    return lower is not None and lower.facts.inode == asked.facts.inode and shows_alone(asked.facts, lower.facts) and (
        are_older(overlay.lowers(), overlay.mount, asked.scene))


def _untouched(lower: Lower | None, asked: Question) -> bool:
    """Return whether the overlay shows the lower file's own ctime, not a copy's (ovl_getattr asks the real file)."""
    return lower is not None and is_uncopied(asked.facts, lower.facts, asked.overlay)


def _copy(found: FileFacts, data: Candidates, asked: Question, path: bytes) -> Candidates:
    overlay, scene = asked.overlay, asked.scene
    if is_whiteout(found) or found.kind != "file" or overlay.upper is None:
        return data._replace(copy="unknown", reason="the upper layer and the overlay disagree about the name")
    backing = backing_of(found, overlay.layers[0], scene)
    if any(name == "metacopy" for name, _ in found.xattrs):
        return data._replace(copy="no", metadata=backing)
    if overlay.maybe("metacopy", scene) and not overlay.options.userxattr and not scene.machine.reads_trusted():
        return data._replace(copy="unknown", reason="whether the upper file holds data is in a trusted attribute",
                             needs="CAP_SYS_ADMIN")
    return data._replace(upper=Candidate(backing, InLayer(overlay.upper, path)), copy="yes")
