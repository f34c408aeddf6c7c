"""Which layer's file a name opens where nobody mounted the layers: the overlay's lookup, and what stays open in it."""

from mapsd.light import Sequence
from mapsd.model import Absent, Backing, Evidence, FileFacts, Layer, Refused
from mapsd.model.layers import Met, Way, Winner
from mapsd.resolve.descent import UNSEEN
from mapsd.resolve.lookup import Ask
from mapsd.resolve.merged import Merged, ReadLink

_ENDS = ("the lookup in the layers as they are on the disk ends here; nothing that was mounted over a part of it "
         "(volumes, /proc, /etc/hosts) is on the disk")
_FOLLOWED = ("a redirect or metacopy was followed, as overlayfs does unless it is mounted with redirect_dir=nofollow "
             "or metacopy=off: how it was mounted is not on the disk")
_CAPABILITY = "CAP_SYS_ADMIN"
SERVED = "fuse-overlayfs may not hide here what overlayfs would"


class Unmounted(Merged):
    """Layers that can be asked as if they were mounted.

    *unseen* says why the attributes that decide are not seen, empty where they are; *needs* what would help.
    """

    def __init__(self, layers: Sequence[Layer], ask: Ask, link: ReadLink, unseen: str = "", needs: str = "", *,
                 metacopy: bool = True, served: bool = False) -> None:
        """Take the layers in the overlay's order.

        *metacopy* says that a file's data may lie below it, *served* that fuse-overlayfs merges them.
        """
        super().__init__(layers, ask, link, visible=not unseen)
        self._ends, self._unseen, self._needs = (layers[0].position, layers[-1].position), unseen, needs
        self._metacopy, self._served = metacopy, served

    def top(self, path: bytes) -> Met | Absent | Refused:
        """Return the entry of a layer that is shown there; Refused also where a redirect that is not seen may lead on.

        A mounted overlay says itself that there is nothing; here only the topmost layer can. One layer that the kernel
        refuses to look into ends its lookup, whatever the others have.
        """
        met = self.descent(path)
        failed = next((one for one in met if one.what == "unknown" and one.by is None and one.reason != self._unseen),
                      None)
        if failed is not None:
            return Refused(failed.reason, failed.needs)
        if self._served and _is_odd(met):
            return Refused(SERVED)
        found = self.shown(met)
        if isinstance(found, Absent) and self._unseen and len(set(self._ends)) > 1 and not self._is_hidden(met):
            return Refused(self._unseen, self._needs)
        return found

    def descent(self, path: bytes) -> tuple[Met, ...]:
        """Return what lies in each layer, and why it is not known what it is."""
        return tuple(self._reworded(one) for one in super().descent(path))

    def _is_hidden(self, met: Sequence[Met]) -> bool:
        first = next(iter(met), None)
        return first is not None and first.layer.position == self._ends[0] and first.what in {"whiteout", "blocked"}

    def _may_lead_on(self, live: Sequence[Met]) -> bool:
        """Return whether a file may be a metacopy by an attribute that is not seen."""
        return any(isinstance(one.found, FileFacts) and one.found.kind == "file"
                   and one.layer.position != self._ends[1] for one in live[:1])

    def _reworded(self, met: Met) -> Met:
        worded = self._worded(Refused(met.reason, met.needs))
        file = backing(met.found, met.layer) if isinstance(met.found, FileFacts) else None
        return met._replace(reason=worded.reason, needs=worded.needs, file=file)

    def _worded(self, refused: Refused) -> Refused:
        own = refused.needs == _CAPABILITY and refused.reason and self._unseen
        return Refused(self._unseen or UNSEEN, self._needs) if own else refused

    def winner(self, way: Way, met: Sequence[Met]) -> Winner | None:
        """Return the file that a name opens, None where it is known to open nothing."""
        if isinstance(way.found, Absent):
            return None
        if isinstance(way.found, Refused):
            return _unknown(way.found.reason, way.found.needs)
        live = [one for one in met if one.named and one.by is None]
        evidence = [Evidence("lookup", _ENDS)]
        if any({"redirect", "metacopy"} & {name for name, _ in one.found.xattrs} for one in met
               if one.by is None and isinstance(one.found, FileFacts)):
            evidence.append(Evidence("lookup", _FOLLOWED))
        unsure = next((one for one in live if one.what == "unknown"), None)
        if way.found.kind == "directory":
            return Winner(None, "lookup", tuple(evidence), unsure.reason if unsure else None,
                          (unsure.needs,) if unsure and unsure.needs else ())
        if self._unseen and self._metacopy and self._may_lead_on(live):
            return _unknown(self._unseen, self._needs)
        ends = [one for one in live if one.what == "opens"]
        if not ends:
            return _unknown(unsure.reason, unsure.needs) if unsure else _unknown("a metacopy has no data below it", "")
        file, metadata = ends[0].file, next((one.file for one in live if one.what == "metacopy"), None)
        return Winner(None if file is None else file._replace(metadata=metadata), "lookup", tuple(evidence))


def _is_odd(met: Sequence[Met]) -> bool:
    """Return whether fuse-overlayfs is known to differ.

    Version 1.10 looks through a file between directories, and below an opaque directory whose parent is opaque in a
    layer further down.
    """
    return any(one.what == "blocked" for one in met) or sum(one.opaque and one.by is None for one in met) > 1


def backing(found: FileFacts, layer: Layer) -> Backing:
    """Return an entry of a layer as a file."""
    directory = layer.dir.path if layer.dir is not None else layer.text
    return Backing(found.path or None, found.st_dev, found.inode, None, True, layer.role, layer.position, directory)


def _unknown(reason: str, needs: str) -> Winner:
    return Winner(None, "none", (), reason, (needs,) if needs else ())
