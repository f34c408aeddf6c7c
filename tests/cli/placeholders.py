"""Golden explanations: what differs from run to run becomes a placeholder, the same for the same value."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mapsd.views.explanation import Step, lines
from tests.cli.golden import golden

FOLDER = Path(__file__).resolve().parents[1] / "golden/explain"
WIDTH = 80
_GAP = "\0"  # between two words, where a line may be broken
_BEHIND = {"device": r"\d+:\d+", "inode": r"\d+", "mount": r"\d+", "frame": r"0x[0-9a-f]+", "process": r"\d+"}


class Placeholders:
    """The names of the values of one scene, in the order in which they are met."""

    def __init__(self, base: Path) -> None:
        self._base, self._names = str(base), {}

    def named(self, kind: str, value: str) -> str:
        known = self._names.setdefault(kind, {})
        return known.setdefault(value, f"<{kind}-{len(known) + 1}>")

    def step(self, step: Step) -> Step:
        return step._replace(paragraphs=tuple(self._paragraph(words) for words in step.paragraphs))

    def _paragraph(self, words: Sequence[str]) -> tuple[str, ...]:
        text = _GAP.join(words).replace(self._base, "<base>").replace(os.path.dirname(self._base), "<lab>")
        text = re.sub(r"(\S{4} [0-9a-f]{8}) ([0-9a-f]{2,}):([0-9a-f]{2,}) (\d+) +", self._columns, text)
        for kind, value in _BEHIND.items():
            text = re.sub(rf"(?<=\b{kind}{_GAP})({value})\b", self._known(kind), text)
        text = re.sub(r"\b[0-9a-f]{8,16}-[0-9a-f]{8,16}\b", self._known("range"), text)
        text = re.sub(r"(?<=/proc/)\d+", self._known("process"), text)
        return tuple(text.split(_GAP))

    def _known(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda match: self.named(kind, match[0])

    def _columns(self, match: re.Match[str]) -> str:
        """Name the hexadecimal device and the inode of a line of maps."""
        device = self.named("device", f"{int(match[2], 16)}:{int(match[3], 16)}")
        return f"{match[1]} {device} {self.named('inode', match[4])} "


def check(name: str, steps: Sequence[Step], base: Path) -> None:
    """Compare an explanation with its golden text."""
    names = Placeholders(base)
    golden(f"explain/{name}", "\n".join(lines([names.step(step) for step in steps], WIDTH)))
