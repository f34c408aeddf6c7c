"""A mapping compared with each candidate, by one of the means."""

from mapsd.model import Evidence, Vma
from mapsd.ports import ByVma, FileRef
from mapsd.resolve.candidates import NEEDS_FRAMES, Candidates
from mapsd.resolve.finding import Finding
from mapsd.resolve.layerfile import Candidate
from mapsd.resolve.means import Compare

NEEDS_PAGE = "a page of the mapping in memory"


def lower_finding(found: Candidates, chosen: Candidate, proof: str, agrees: bool | None,
                  evidence: tuple[Evidence, ...], rule: str = "") -> Finding:
    """Return the finding that the mapping holds a lower file, with the file that holds its metadata."""
    held = chosen.backing._replace(metadata=found.metadata)
    return Finding(held, proof, agrees, evidence, rule=rule, possible=found.possible)


def compared(vma: Vma, live: bool, found: Candidates, ask: Compare) -> Finding:
    """Return the finding of one means that compares the mapping with each candidate."""
    now, evidence = _compare(vma, ByVma(vma.start, vma.end), "what the overlay's file reads now", ask, ())
    low, chosen, evidence = _compare_lowers(vma, found, ask, evidence)
    up, evidence = _compare(vma, found.upper.ref if found.upper else None, "the upper file", ask, evidence)
    proof = evidence[0].kind
    agrees = {"same": True, "different": False}.get(now) if live else None
    if found.copy == "no" and live:
        agrees = True
    if low == "same" and up != "same" and chosen is not None:
        known = agrees if agrees is not None else (False if live and found.copy == "yes" else None)
        return lower_finding(found, chosen, proof, known, evidence, "same")
    if up == "same" and low != "same" and found.upper is not None:
        return Finding(found.upper.backing, proof, True if live else None, evidence, rule="same")
    if now == "same" and low == "different" and (found.sure or found.settled) and found.unlinked is not None and (
            up != "different" or not live):
        # Not the lower one: the upper copy, which of a name that is gone may have no name either.
        sure = live and found.upper is not None
        backing = found.upper.backing if sure and found.upper is not None else found.unlinked
        return Finding(backing, proof, agrees, evidence, rule="rest")
    if found.pure_upper and found.upper is not None and now == "same":
        return Finding(found.upper.backing, proof, agrees, evidence, rule="rest")
    return Finding(None, "none", agrees, evidence, reason_of(found, evidence), needs_of(found, evidence),
                   refuted=low == "different")


def together(vma: Vma, found: Candidates) -> tuple[FileRef, ...]:
    """Return all that compared() asks about."""
    files = (found.lower, *found.others, found.upper)
    return (ByVma(vma.start, vma.end), *(one.ref for one in files if one is not None and one.ref is not None))


def _compare_lowers(vma: Vma, found: Candidates, ask: Compare, evidence: tuple[Evidence, ...]) -> tuple[
        str, Candidate | None, tuple[Evidence, ...]]:
    """Return what the lower files say together: "same" with the only one that is."""
    verdicts = []
    for one in (found.lower, *found.others) if found.lower is not None else ():
        what = f"the lower file {one.backing.device} {one.backing.inode}" if found.others else "the lower file"
        verdict, evidence = _compare(vma, one.ref, what, ask, evidence)
        verdicts.append((verdict, one))
    same = [one for verdict, one in verdicts if verdict == "same"]
    if same:
        return ("same", same[0], evidence) if len(same) == 1 else ("silent", None, evidence)
    silent = not verdicts or any(verdict == "silent" for verdict, _ in verdicts)
    return "silent" if silent else "different", None, evidence


def reason_of(found: Candidates, evidence: tuple[Evidence, ...]) -> str:
    """Return why the candidates are not told apart."""
    reason = found.reason or "the mapping may hold the lower file or its upper copy"
    return "; ".join((reason, *(item.detail for item in evidence)))


def needs_of(found: Candidates, evidence: tuple[Evidence, ...]) -> tuple[str, ...]:
    """Return what would tell them apart."""
    text = " ".join(item.detail for item in evidence)
    frames = NEEDS_PAGE if "no page of the file is present" in text else NEEDS_FRAMES
    return tuple(dict.fromkeys(part for part in (found.needs, frames, *needs_to_open(text)) if part))


def needs_to_open(detail: str) -> tuple[str, ...]:
    """Return what a candidate needs to be opened for comparison: with O_NOATIME only its owner may (open(2))."""
    return ("CAP_FOWNER",) if "opened: Operation not permitted" in detail else ()


def _compare(vma: Vma, ref: FileRef | None, what: str, ask: Compare,
             evidence: tuple[Evidence, ...]) -> tuple[str, tuple[Evidence, ...]]:
    if ref is None:
        return "silent", evidence
    said = ask(vma, ref)
    return said.verdict, (*evidence, said.about(what))
