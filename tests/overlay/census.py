"""How much was answered: every checked answer is counted by scene and observer."""

import re
from collections import Counter, defaultdict

_answers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
_reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
_spoke: Counter[tuple[str, str]] = Counter()
ROOT = "root, outside"


def spoke(pair: tuple[str, str]) -> None:
    """Count a mapping of which two means spoke."""
    _spoke[pair] += 1


def count(scene: str, observer: str, found: dict) -> None:
    """Count one answer."""
    here = _answers[scene, observer]
    here["answers"] += 1
    here[f"state {found['state']}"] += 1
    here[f"proof {found['proof']}"] += 1
    here["unknown backing"] += found["backing"] is None
    if observer == ROOT and (found["state"] == "unknown" or found["backing"] is None):
        what = "state" if found["state"] == "unknown" else "backing"
        if found["state"] == "unknown" and found["backing"] is None:
            what = "state and backing"
        reason = re.sub(r"(frame|page) (0x[0-9a-f]+|\d+)", r"\1 N", str(found["reason"]))
        _reasons[scene][f"{what}: {reason}"] += 1


def report() -> str:
    """Return the share of unknown answers as root for each scene with its reasons, and the sums by observer."""
    lines = []
    for (scene, observer), here in sorted(_answers.items()):
        if observer == ROOT:
            lines.append(f"{scene}: {_shares(here)}")
            lines += [f"    {number} x {reason}" for reason, number in _reasons[scene].most_common()]
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (_, observer), here in _answers.items():
        sums[observer].update(here)
    lines += [f"all scenes, {observer}: {_shares(here)}; {_proofs(here)}" for observer, here in sorted(sums.items())]
    lines += [f"{one} and {other} both spoke of {number} mappings" for (one, other), number in _spoke.items()]
    return "\n".join(lines)


def _shares(here: Counter[str]) -> str:
    total = here["answers"]
    return (f"{total} answers, state unknown {here['state unknown']} ({here['state unknown'] / total:.0%}), "
            f"backing unknown {here['unknown backing']} ({here['unknown backing'] / total:.0%})")


def _proofs(here: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(here.items()) if name.startswith("proof "))
