"""Which of the candidates a mapping holds: the only one there is, or the one whose page frame it shares."""

from mapsd.light import NamedTuple
from mapsd.model import Backing, Evidence, Vma
from mapsd.ports import ByVma, FileRef, PageFrames
from mapsd.resolve.candidates import NEEDS_FRAMES, Candidates
from mapsd.resolve.layerfile import Candidate

NEEDS_PAGE = "a page of the mapping in memory"


class Finding(NamedTuple):
    """The backing file of one mapping, and whether the overlay's file now has the same data."""

    backing: Backing | None
    proof: str
    agrees: bool | None
    evidence: tuple[Evidence, ...]
    reason: str | None = None
    needs: tuple[str, ...] = ()


def decide(vma: Vma, live: bool, found: Candidates, frames: PageFrames) -> Finding:
    """Return the backing file, decided without looking at pages where one candidate is left."""
    if live and found.copy == "no" and found.lower is not None and found.sure:
        seen = Evidence("lookup", "the overlay's handle names this file, and the upper layer has no copy of its data")
        return _lower(found, found.lower, "sole-candidate", True, (seen,))
    if live and found.pure_upper and found.upper is not None:
        seen = Evidence("lookup", "the overlay's handle names an upper file that never had a lower one")
        return Finding(found.upper.backing, "sole-candidate", True, (seen,))
    finding = _by_frames(vma, live, found, frames)
    if finding.backing is None and live and found.copy == "no" and found.lower is not None and found.settled:
        return _by_lookup(vma, found, found.lower, finding, frames)
    return finding


def _by_lookup(vma: Vma, found: Candidates, lower: Candidate, finding: Finding, frames: PageFrames) -> Finding:
    verdict = frames.compare(vma, lower.ref)[0] if lower.ref is not None else "silent"
    if verdict == "different" or found.others:
        return finding
    seen = Evidence("lookup", "the lookup in the layers ends at this file, and the upper layer has no copy of its data")
    return _lower(found, lower, "lookup", True, (*finding.evidence, seen))


def _lower(found: Candidates, chosen: Candidate, proof: str, agrees: bool | None,
           evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(chosen.backing._replace(metadata=found.metadata), proof, agrees, evidence)


def _by_frames(vma: Vma, live: bool, found: Candidates, frames: PageFrames) -> Finding:
    now, evidence = _compare(vma, ByVma(vma.start, vma.end), "what the overlay's file reads now", frames, ())
    low, chosen, evidence = _compare_lowers(vma, found, frames, evidence)
    up, evidence = _compare(vma, found.upper.ref if found.upper else None, "the upper file", frames, evidence)
    agrees = {"same": True, "different": False}.get(now) if live else None
    if found.copy == "no" and live:
        agrees = True
    if low == "same" and up != "same" and chosen is not None:
        known = agrees if agrees is not None else (False if live and found.copy == "yes" else None)
        return _lower(found, chosen, "page-frame", known, evidence)
    if up == "same" and low != "same" and found.upper is not None:
        return Finding(found.upper.backing, "page-frame", True if live else None, evidence)
    if now == "same" and low == "different" and (found.sure or found.settled) and found.unlinked is not None and (
            up != "different" or not live):
        # Not the lower one: the upper copy, which of a name that is gone may have no name either.
        sure = live and found.upper is not None
        backing = found.upper.backing if sure and found.upper is not None else found.unlinked
        return Finding(backing, "page-frame", agrees, evidence)
    if found.pure_upper and found.upper is not None and now == "same":
        return Finding(found.upper.backing, "page-frame", agrees, evidence)
    return Finding(None, "none", agrees, evidence, _reason(found, evidence), _needs(found, evidence))


def _compare_lowers(vma: Vma, found: Candidates, frames: PageFrames, evidence: tuple[Evidence, ...]) -> tuple[
        str, Candidate | None, tuple[Evidence, ...]]:
    """Return what the lower files say together: "same" with the only one that is."""
    verdicts = []
    for one in (found.lower, *found.others) if found.lower is not None else ():
        verdict, evidence = _compare(vma, one.ref, "the lower file", frames, evidence)
        verdicts.append((verdict, one))
    same = [one for verdict, one in verdicts if verdict == "same"]
    if same:
        return ("same", same[0], evidence) if len(same) == 1 else ("silent", None, evidence)
    silent = not verdicts or any(verdict == "silent" for verdict, _ in verdicts)
    return "silent" if silent else "different", None, evidence


def _reason(found: Candidates, evidence: tuple[Evidence, ...]) -> str:
    reason = found.reason or "the mapping may hold the lower file or its upper copy"
    return "; ".join((reason, *(item.detail for item in evidence)))


def _needs(found: Candidates, evidence: tuple[Evidence, ...]) -> tuple[str, ...]:
    text = " ".join(item.detail for item in evidence)
    frames = NEEDS_PAGE if "no page of the file is present" in text else NEEDS_FRAMES
    return tuple(dict.fromkeys(part for part in (found.needs, frames) if part))


def _compare(vma: Vma, ref: FileRef | None, what: str, frames: PageFrames,
             evidence: tuple[Evidence, ...]) -> tuple[str, tuple[Evidence, ...]]:
    if ref is None:
        return "silent", evidence
    verdict, detail = frames.compare(vma, ref)
    return verdict, (*evidence, Evidence("page-frame", f"{what}: {detail}"))
