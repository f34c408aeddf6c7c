"""What a booted kernel is found guilty of, and how its answers agree with what is true."""

from collections import Counter
from collections.abc import Mapping

from tests.kernels.qemu import Booted
from tests.kernels.work import PYZ

PROOFS = ("kernel-inode", "bpf", "page-frame", "build-id", "sole-candidate", "lookup", "none")
_CRASHES = ("Kernel panic", "Oops", "BUG: ", "general protection")
_TAIL = 2500  # characters


def faults(booted: Booted, needs: Mapping[str, str]) -> list[str]:
    """Return what is wrong; *needs* are the scenes that were to run, each with what it needs of the kernel."""
    wrong = [booted.ended] if booted.ended else []
    wrong += [f"the console says {crash!r}" for crash in _CRASHES if crash in booted.console]
    if booted.last is None:
        wrong.append("the scenes did not come to an end")
    if wrong:
        return [*wrong, f"console:\n{booted.console[-_TAIL:]}", *_failures(booted)]
    return [*_failures(booted), *_not_run(booted, needs), *_sums(booted)]


def _failures(booted: Booted) -> list[str]:
    return [f"{one['scene']}: {one['outcome']}\n{_short(one['why'])}" for one in booted.scenes
            if one["outcome"] not in {"passed", "lacking"}]


def _short(why: str) -> str:
    """Return the beginning and the end of what may be said of hundreds of answers."""
    return why if len(why) <= 2 * _TAIL else f"{why[:_TAIL]}\n…\n{why[-_TAIL:]}"


def _not_run(booted: Booted, needs: Mapping[str, str]) -> list[str]:
    """Return the scenes that are missing without the kernel lacking what they need."""
    seen = {one["scene"]: one["outcome"] for one in booted.scenes}
    return [f"{scene}: did not run" for scene, need in needs.items()
            if scene not in seen or (seen[scene] == "lacking" and booted.facts.get(need, True))]


def _sums(booted: Booted) -> list[str]:
    wrong = [f"{number} wrong answers, {observer}" for observer, number in booted.last["wrong"].items() if number]
    if booted.last["ended"]:
        wrong.append(f"pytest ended with {booted.last['ended']}")
    if booted.facts["release"] != booted.release:
        wrong.append(f"another kernel was booted: {booted.facts['release']}")
    if not booted.facts["mapsd"].startswith(f"{PYZ}/"):
        wrong.append(f"another mapsd was asked: {booted.facts['mapsd']}")
    silent = [name for name in PROOFS if booted.facts.get(name) and not booted.last["evidence"].get(name)]
    return wrong + [f"{name} is a proof that this kernel has, and it was never seen" for name in silent]


def table(booted: Booted) -> str:
    """Return how often each observer was answered, what was unknown, by which proof, and what was wrong."""
    if booted.last is None:
        return f"{booted.release}: no answers"
    lacking = sorted({one["why"] for one in booted.scenes if one["outcome"] == "lacking"})
    passed = sum(one["outcome"] == "passed" for one in booted.scenes)
    lines = [f"{booted.release}: {passed} scenes in {booted.seconds:.0f} s"
             + (f"; the kernel has no {', '.join(lacking)}" if lacking else "")]
    columns = ("answers", "state ?", "backing ?", *PROOFS, "wrong")
    lines.append(f"    {'observer':44}" + "".join(f"{name:>15}" for name in columns))
    rows = {observer: _row(here, booted.last["wrong"].get(observer, 0))
            for observer, here in sorted(booted.last["census"].items())}
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    lines += [f"    {name:44}" + "".join(f"{number:15}" for number in row) for name, row in rows.items()]
    seen = ", ".join(f"{name} {number}" for name, number in sorted(booted.last["evidence"].items()))
    return "\n".join([*lines, f"    observations in these answers: {seen}"])


def _row(here: Mapping[str, int], wrong: int) -> list[int]:
    told = Counter(here)
    return [told["answers"], told["state unknown"], told["unknown backing"],
            *(told[f"proof {name}"] for name in PROOFS), wrong]
