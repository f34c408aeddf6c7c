"""The package of the bytes that a mapping of a file holds, by what the databases say.

The database says whose a *name* is. Only a file that its name opens now is the one that the database in the process's
root speaks of. For another one the database of its time is asked, which is in the layer where the file is; where there
is no such, whose the file was is not known.
"""

from mapsd.answer.databases import Databased
from mapsd.model import Answer, Backing, Refused
from mapsd.model.packages import Brought, Difference, Differs, NotOwned, Owned, Owner, Record, Same, Undecided
from mapsd.packages.difference import brought

_NOT_NOW = "the databases are of the files that names open now, and this file is none of them"
_UNPROVEN = frozenset(("lookup", "none"))
_NESTED = "the file is in a layer of an overlay below the overlay"
_UNPLACED = "where the file is in its layer, or the layer among the others, is not certain"
_UNCERTAIN = "whether the directories of the layers below are still those that were mounted is not certain"


def file_of(one: Answer) -> tuple[object, ...]:
    """Return what mappings of one file with one answer have in common."""
    return one.user_path, one.mount, one.backing, one.state, one.reason, one.needs


class Packages:
    """The packages of files, each asked once; *careful* says for somebody who may not see everything."""

    def __init__(self, by_time: Databased, *, careful: bool = False) -> None:
        """Ask the databases of one process."""
        self._by_time, self._careful = by_time, careful
        self._known: dict[tuple[object, ...], Brought] = {}

    def of(self, mapping: Answer) -> Brought:
        """Return the package of the bytes that a mapping of a file holds."""
        key = file_of(mapping), mapping.proof
        if key not in self._known:
            self._known[key] = self._now(mapping) if mapping.state == "current" else self._then(mapping)
        return self._known[key]

    def _now(self, mapping: Answer) -> Brought:
        name, databases = mapping.user_path, self._by_time.now()
        if name is None:
            return Brought("unknown", reason="its name is not known")
        owner = databases if isinstance(databases, Refused) else databases.owner(name)
        if isinstance(owner, NotOwned) and not owner.searched:
            # A later step may have removed them.
            then = self._then(mapping)
            if then.package is not None or self._careful:
                return then
            return Brought("unowned", None, name, None, _none(owner))
        # What the process may not map at all is not compared for somebody else.
        held = None if self._careful and mapping.proof in _UNPROVEN else mapping.backing
        return self._compared(owner, Brought("", None, name), held, certain=True)

    def _then(self, mapping: Answer) -> Brought:
        backing = mapping.backing
        if backing is None:
            return Brought("unknown", reason=f"which file it holds is not known: {mapping.reason}", needs=mapping.needs)
        if backing.through:
            return Brought("unknown", reason=_NESTED)
        place = backing.layer_path or b""
        if backing.layer_role != "lower" or mapping.mount is None:
            return Brought("unknown", reason=_NOT_NOW)
        if backing.layer_index is None or backing.path is None or not backing.path.startswith(place + b"/"):
            return Brought("unknown", reason=_UNPLACED)
        name = backing.path.removeprefix(place)
        dated = self._by_time.of_layer(mapping.mount, backing, name.lstrip(b"/"))
        owner = dated if isinstance(dated, Refused) else dated.databases.owner(name)
        about = Brought("", None, name, backing.layer_index)
        return self._compared(owner, about, backing, certain=not isinstance(dated, Refused) and dated.certain)

    def _compared(self, owner: Owner, about: Brought, backing: Backing | None, *, certain: bool) -> Brought:
        """Return what is known of a file whose name is somebody's; *about* has the name and the layer."""
        if isinstance(owner, Refused):
            return about._replace(state="unknown", reason=owner.reason, needs=_needs(owner))
        if isinstance(owner, Owned):
            record, found = self._difference(owner, backing)
            if isinstance(found, Same):
                return about._replace(state="same", package=record.package)
            if certain:
                state = "differs" if isinstance(found, Differs) else "unknown"
                return about._replace(state=state, package=record.package, reason=_reason(found, owner.unread))
        elif certain:
            return about._replace(state="unowned", reason=_none(owner))
        return about._replace(state="unknown", reason=_UNCERTAIN)

    def _difference(self, owned: Owned, backing: Backing | None) -> tuple[Record, Difference]:
        if backing is None:
            return owned.records[0], Undecided("which file holds the bytes is not known")
        size = self._by_time.size(backing)
        if isinstance(size, Refused):
            return owned.records[0], Undecided(f"the backing file is not read: {size.reason}")
        return brought(owned, size, lambda algorithm: self._by_time.digest(backing, algorithm))


def _none(owner: NotOwned) -> str | None:
    return None if owner.searched else "there is no package database"


def _needs(refused: Refused) -> tuple[str, ...]:
    return tuple(refused.needs.split(",")) if refused.needs else ()


def _reason(found: Differs | Undecided, unread: tuple[Refused, ...]) -> str:
    said = found.reason if isinstance(found, Undecided) else (
        f"its {found.what} is {found.held}, recorded is {found.recorded}")
    return "; ".join([said, *(one.reason for one in unread)])
