"""Which of the candidates a mapping holds: the only one there is, or the one that a means of proof tells."""

from mapsd.model import Evidence, Vma
from mapsd.resolve.buildid import by_build_ids
from mapsd.resolve.candidates import Candidates
from mapsd.resolve.comparison import compared, lower_finding, needs_of, reason_of, together
from mapsd.resolve.finding import Finding, confirmed, joined
from mapsd.resolve.layerfile import Candidate
from mapsd.resolve.means import Means


def decide(vma: Vma, path: bytes | None, found: Candidates, means: Means) -> Finding:
    """Return the backing file: decided without looking at the mapping where one candidate is left, else by *means*.

    *path* is the user path of a live name (empty where only an inner name is known), None for any other.
    """
    live = path is not None
    sole = _sole(live, found)
    if sole is not None and not means.demanded:
        return sole
    finding = _asked(vma, path, found, means)
    if sole is not None:
        return confirmed(sole, finding)
    if finding.backing is None and live and found.copy == "no" and found.lower is not None and found.settled:
        finding = _by_lookup(found, found.lower, finding)
    return finding._replace(possible=found.possible)


def _sole(live: bool, found: Candidates) -> Finding | None:
    if live and found.copy == "no" and found.lower is not None and found.sure:
        seen = Evidence("lookup", "the overlay's handle names this file, and the upper layer has no copy of its data")
        return lower_finding(found, found.lower, "sole-candidate", True, (seen,), "only")
    if live and found.pure_upper and found.upper is not None:
        seen = Evidence("lookup", "the overlay's handle names an upper file that never had a lower one")
        return Finding(found.upper.backing, "sole-candidate", True, (seen,), rule="only", possible=found.possible)
    return None


def _asked(vma: Vma, path: bytes | None, found: Candidates, means: Means) -> Finding:
    """Return the finding of the first means that tells the candidates apart."""
    live, finding = path is not None, None
    comparers = means.comparers(together(vma, found))
    for ask in (*comparers[:1], None, *comparers[1:]):
        one = compared(vma, live, found, ask) if ask else _ids(vma, path, found, means)
        if one is None:
            continue
        finding = one if finding is None else joined(finding, one)
        if finding.backing is not None and (finding.agrees is not None or not live):
            break
    return finding or Finding(None, "none", None, (), reason_of(found, ()), needs_of(found, ()))


def _ids(vma: Vma, path: bytes | None, found: Candidates, means: Means) -> Finding | None:
    return by_build_ids(vma, path, found, means.build_ids) if means.build_ids is not None else None


def _by_lookup(found: Candidates, lower: Candidate, finding: Finding) -> Finding:
    if found.others or finding.refuted:
        return finding
    seen = Evidence("lookup", "the lookup in the layers ends at this file, and the upper layer has no copy of its data")
    known = lower_finding(found, lower, "lookup", True, (*finding.evidence, seen))
    return known._replace(build_id=finding.build_id)
