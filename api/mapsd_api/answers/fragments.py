"""The JSON of mappings, made once for each answer that a session keeps."""

import json

from mapsd.model import Answer, ProcessAnswer
from mapsd.views.render import as_json, mapping_object

PROCESSES = 64
MAPPINGS = 50_000  # of all of them; those of the last process are kept however many they are
_EMPTY = '"mappings": []'  # in no text of JSON: there each quotation mark has a backslash before it


class Fragments:
    """Texts of the last answers about the last processes."""

    def __init__(self) -> None:
        """Know nothing."""
        self._of: dict[int, dict[int, tuple[Answer, str]]] = {}

    def whole(self, answer: ProcessAnswer) -> str:
        """Return the contract's object of a process as JSON."""
        found = ", ".join(self._texts(answer))
        return json.dumps(as_json(answer._replace(mappings=()))).replace(_EMPTY, f'"mappings": [{found}]', 1)

    def lines(self, answer: ProcessAnswer) -> str:
        """Return the same object without its list, and then what is on the list, a line each."""
        whole = as_json(answer._replace(mappings=()))
        head = json.dumps({name: value for name, value in whole.items() if name != "mappings"})
        return "".join(f"{text}\n" for text in (head, *self._texts(answer)))

    def _texts(self, answer: ProcessAnswer) -> list[str]:
        known, now = self._of.get(answer.process.pid, {}), dict[int, tuple[Answer, str]]()
        texts = [self._one(mapping, known, now) for mapping in answer.mappings]
        self._keep(answer.process.pid, now)
        return texts

    def _one(self, mapping: Answer, known: dict[int, tuple[Answer, str]], now: dict[int, tuple[Answer, str]]) -> str:
        before = known.get(id(mapping))
        # A number is of another object once the one that it was of is gone, so the object is kept with it.
        if before is None or before[0] is not mapping:
            before = mapping, _text(mapping)
        now[id(mapping)] = before
        return before[1]

    def _keep(self, pid: int, texts: dict[int, tuple[Answer, str]]) -> None:
        # Each step is one of the interpreter's, so that other threads see the old texts or the new ones.
        self._of.pop(pid, None)
        self._of[pid] = texts
        kept = list(self._of.items())
        left = sum(len(one) for _, one in kept)
        for place, (other, one) in enumerate(kept[:-1]):
            if len(kept) - place <= PROCESSES and left <= MAPPINGS:
                break
            self._of.pop(other, None)
            left -= len(one)


def _text(mapping: Answer) -> str:
    return json.dumps(mapping_object(mapping))
