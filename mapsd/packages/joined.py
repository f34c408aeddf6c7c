"""Many texts in one, in which a name is found by one search."""

from bisect import bisect_right
from itertools import accumulate

from mapsd.light import Sequence
from mapsd.model import Refused

MANY = 20000  # places of one name


class Joined:
    """Texts one behind the other, *before* them one byte that may begin what is looked for."""

    def __init__(self, texts: Sequence[bytes], before: bytes) -> None:
        """Join them."""
        self.text = before + b"".join(texts)
        self._starts = list(accumulate((len(text) for text in texts), initial=len(before)))

    def places(self, needle: bytes) -> list[tuple[int, int]] | Refused:
        """Return where *needle* begins, and the text in which its second byte is; Refused where that is too often."""
        found: list[tuple[int, int]] = []
        at = self.text.find(needle)
        while at >= 0:
            if len(found) == MANY:
                return Refused(f"more than {MANY} files have that name")
            found.append((bisect_right(self._starts, at + 1) - 1, at))
            at = self.text.find(needle, at + len(needle) - 1)
        return found

    def start(self, number: int) -> int:
        """Return where a text begins."""
        return self._starts[number]
