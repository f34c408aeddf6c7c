"""A place and a finding become an answer: the state, and what may be said of the name."""

from mapsd.model import Answer, Evidence, Trail, Vma
from mapsd.resolve.finding import Finding
from mapsd.resolve.scene import Place

STATES = frozenset({"detached", "unreachable", "covered", "deleted", "replaced"})
_NAMED = frozenset({"current", "copied-up", "covered", "deleted", "replaced"})
_OPENS = frozenset({"current", "copied-up"})


def assemble(vma: Vma, place: Place, finding: Finding, host: bytes | None, proc: bytes) -> Answer:
    """Return the answer; *host* is a path by which the observer opens the same file, *proc* the process's directory."""
    state, reason, needs = _state(place, finding)
    path = place.path if state in _NAMED or place.verdict == "live" else None
    reason = reason or finding.reason
    needs = tuple(dict.fromkeys((*needs, *finding.needs))) if reason else ()
    opens = proc + b"/root" + path if path is not None and state in _OPENS else None
    evidence = finding.evidence
    if place.detail:
        evidence = (*evidence, Evidence("mount", place.detail))
    return Answer(vma, "file", path, host if state in _OPENS else None, opens, place.mount, finding.backing, state,
                  finding.proof, evidence, reason, needs, finding.build_id, _trail(place, finding))


def _trail(place: Place, finding: Finding) -> Trail:
    files, copy, doubt, layers = finding.possible
    means = (("ours", place.again), ("dentries", place.dentries), ("path", place.claimed),
             ("link", place.facts is not None))
    source = next((name for name, used in means if used), "")
    return Trail(place.verdict, place.reason, place.facts, source, place.opened, place.over, finding.nested,
                 layers, files, copy, doubt, finding.rule, finding.reason)


def _state(place: Place, finding: Finding) -> tuple[str, str | None, tuple[str, ...]]:
    if place.verdict in STATES:
        return place.verdict, None, ()
    if place.verdict == "live" and finding.agrees is not None:
        return ("current" if finding.agrees else "copied-up"), None, ()
    reason = place.reason or finding.reason or "whether the file was copied up is not established"
    return "unknown", reason, (place.needs,) if place.needs else ()
