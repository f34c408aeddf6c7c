"""One process, asked and answered: read, decide, read again, until nothing changed in between."""

from mapsd.answer.reading import ATTEMPTS, Asking, Memory, Reading, demand_alive, facts, read, scene, skipped
from mapsd.errors import UsageError
from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.model import PROOFS, Answer, ProcessAnswer, Vma
from mapsd.parse import maps
from mapsd.resolve.means import Means
from mapsd.resolve.vma import Resolver

if TYPE_CHECKING:
    from mapsd.answer.kept import Kept
    from mapsd.sources import Attempt, Observed

_UNSTEADY = "the process's mappings, mounts or root changed each time they were read"


def checked(proof: str) -> str:
    """Return one of PROOFS. Raises UsageError for anything else."""
    if proof not in PROOFS:
        raise UsageError(f"no such proof: {proof!r} (one of {', '.join(PROOFS)})")
    return proof


def observe(pid: int, thread: int | None, asking: Asking, addresses: Sequence[int] | None = None) -> ProcessAnswer:
    """Return every mapping of a process, or those that hold one of *addresses*, as its leader or *thread* sees it.

    Raises ProcessGone, AccessDenied, NoHost, ParseError.
    """
    seen = asking.source(pid, thread)
    try:
        return _observe(seen, asking, addresses)
    finally:
        seen.close()


def _observe(seen: "Observed", asking: Asking, addresses: Sequence[int] | None) -> ProcessAnswer:
    known: dict[Vma, Answer] = {}
    process = seen.process
    memory = Memory(seen, addresses, None if asking.kept is None else asking.kept.text(process.path))
    try:
        before, vmas = read(process), memory.vmas()
        if vmas:
            demand_alive(process, before)
        for _ in range(ATTEMPTS):
            known.update(_answers(seen, before, [vma for vma in vmas if vma not in known], asking))
            after, again = read(process), memory.vmas()
            if memory.gone:
                known.clear()
                memory.renew()
                before, vmas = read(process), memory.vmas()
                continue
            if asking.kept is not None and addresses is None:
                asking.kept.read(process.path, memory.text)
            if after == before and all(vma in known for vma in again if maps.kind_of(vma) == "file"):
                return _answer(seen, before, tuple(known.get(vma) or Answer(vma, maps.kind_of(vma)) for vma in again))
            if after != before:
                known.clear()
            before, vmas = after, again
        return _answer(seen, before, tuple(known.get(vma) or _unsteady(vma) for vma in vmas))
    finally:
        memory.close()


def _unsteady(vma: Vma) -> Answer:
    kind = maps.kind_of(vma)
    return Answer(vma, kind, state="unknown", reason=_UNSTEADY) if kind == "file" else Answer(vma, kind)


def _answers(seen: "Observed", reading: Reading, vmas: list[Vma], asking: Asking) -> dict[Vma, Answer]:
    attempt = seen.attempt()
    try:
        if asking.kept is None:
            return _asked(seen, reading, vmas, attempt, asking.proof)
        return _recalled(seen, reading, vmas, attempt, asking.kept, asking.proof)
    finally:
        attempt.close()


def _asked(seen: "Observed", reading: Reading, vmas: list[Vma], attempt: "Attempt", proof: str) -> dict[Vma, Answer]:
    means = Means(attempt.frames, attempt.build_ids, attempt.vm_files, proof)
    resolver = Resolver(scene(seen, reading, attempt.machine, mapped=bool(vmas)), means)
    answers = ((vma, resolver.answer(vma)) for vma in vmas)
    return {vma: answer for vma, answer in answers if answer is not None}


def _recalled(seen: "Observed", reading: Reading, vmas: list[Vma], attempt: "Attempt", kept: "Kept",
              proof: str) -> dict[Vma, Answer]:
    """Return the answers, those of before where they still hold."""
    path = seen.process.path
    # Only what a live machine says is kept.
    recollection = kept.recall(path, reading, attempt)  # type: ignore[arg-type]  # (see mapsd.session)
    try:
        known = {vma: answer for vma in vmas if (answer := recollection.answer(vma)) is not None}
        rest = [vma for vma in vmas if vma not in known and maps.kind_of(vma) == "file"]
        asked = _asked(seen, reading, rest, attempt, proof) if rest else {}
        for vma, answer in asked.items():
            recollection.learn(vma, answer)
        kept.keep(path, reading, attempt.machine, recollection.found)
        return known | asked
    finally:
        recollection.close()


def _answer(seen: "Observed", reading: Reading, answers: tuple[Answer, ...]) -> ProcessAnswer:
    return ProcessAnswer(facts(seen, reading), seen.release(), _shows(answers), seen.now(), answers,
                         skipped(reading) if answers else ())


def _shows(answers: tuple[Answer, ...]) -> str | None:
    """Return what the kernel's device and inode mean for an overlay, from the mappings at hand."""
    overlaid = [answer for answer in answers if answer.mount is not None and answer.mount.fs_type == b"overlay"]
    if any(answer.mount is not None and answer.vma.device == answer.mount.device for answer in overlaid):
        return "overlay-inode"
    # A nested overlay's file may show the inner overlay's device, which says nothing here.
    return "backing-inode" if any(answer.proof == "kernel-inode" for answer in overlaid) else None
