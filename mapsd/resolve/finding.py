"""What was found out about the file that one mapping holds, and what two findings make together."""

from mapsd.light import NamedTuple
from mapsd.model import Backing, Evidence, Layer


class Possible(NamedTuple):
    """The files that a mapping could hold, whether an upper copy exists, why not known, and the layers: see Trail."""

    files: tuple[Backing, ...] = ()
    copy: str = ""
    doubt: str = ""
    layers: tuple[Layer, ...] = ()


NOTHING = Possible()


class Finding(NamedTuple):
    """The backing file of one mapping, and whether the overlay's file now has the same data.

    *refuted* says that the mapping was seen to hold another file than the lower one. *rule* and *nested* are a
    Trail's, about the files that were *possible*; *build_id* is the mapped file's.
    """

    backing: Backing | None
    proof: str
    agrees: bool | None
    evidence: tuple[Evidence, ...]
    reason: str | None = None
    needs: tuple[str, ...] = ()
    refuted: bool = False
    rule: str = ""
    possible: Possible = NOTHING
    build_id: bytes | None = None
    nested: bool = False


def confirmed(sole: Finding, finding: Finding) -> Finding:
    """Return what a lookup found and another means was asked to confirm; unknown where the two disagree."""
    evidence = (*sole.evidence, *finding.evidence)
    if finding.backing is None:
        return sole._replace(evidence=evidence, build_id=finding.build_id)
    if disagree(sole.backing, finding.backing):
        return contradiction(sole, finding)
    return finding._replace(evidence=evidence, agrees=finding.agrees if finding.agrees is not None else sole.agrees,
                            possible=sole.possible)


def joined(before: Finding, after: Finding) -> Finding:
    """Return what two means say together, each of what the other leaves open."""
    if disagree(before.backing, after.backing) or (None not in (before.agrees, after.agrees)
                                                   and before.agrees != after.agrees):
        return contradiction(before, after)
    first = before if before.backing is not None else after
    agrees = before.agrees if before.agrees is not None else after.agrees
    joined = first._replace(agrees=agrees, evidence=(*before.evidence, *after.evidence),
                            refuted=before.refuted or after.refuted, build_id=before.build_id or after.build_id)
    if joined.backing is not None:
        return joined
    return joined._replace(reason="; ".join(dict.fromkeys(one.reason for one in (before, after) if one.reason)),
                           needs=tuple(dict.fromkeys((*before.needs, *after.needs))))


def disagree(one: Backing | None, other: Backing | None) -> bool:
    """Return whether two backing files are known to be two files."""
    if one is None or other is None:
        return False
    return any(None not in pair and pair[0] != pair[1]
               for pair in ((one.device, other.device), (one.inode, other.inode), (one.layer_role, other.layer_role)))


def contradiction(one: Finding, other: Finding) -> Finding:
    """Return the finding where two means name different files: neither is believed."""
    evidence = (*one.evidence, *(item for item in other.evidence if item not in one.evidence))
    said = "; ".join(item.detail for item in evidence)
    possible = one.possible if one.possible.files else other.possible
    return Finding(None, "none", None, evidence, f"{one.proof} and {other.proof} disagree: {said}",
                   possible=possible, build_id=one.build_id or other.build_id)
