"""The JSON of mappings, made once for each answer that a session keeps."""

import json
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mapsd.model import Answer, ProcessAnswer
from mapsd.views.render import as_json, mapping_object, moment
from mapsd_api.answers.responses import Text, tag_of, tagged

PROCESSES = 64
MAPPINGS = 50_000  # of all of them; those of the last process are kept however many they are
_EMPTY = b'"mappings": []'  # in no text of JSON: there each quotation mark has a backslash before it
_BETWEEN = b", "


class _Known(NamedTuple):
    """The mappings of an answer, their texts one after the other, where each text ends, and the tag of all.

    One long text for all: many short ones that come and go leave the heap in pieces.
    """

    mappings: tuple[Answer, ...]
    joined: bytes
    ends: Sequence[int]
    tag: str

    def text(self, place: int) -> bytes:
        begin = self.ends[place - 1] + len(_BETWEEN) if place else 0
        return self.joined[begin:self.ends[place]]


class Fragments:
    """Texts of the last answers about the last processes."""

    def __init__(self, there: Callable[[int], bool]) -> None:
        """Know nothing; *there* says whether a process is still there."""
        self._there = there
        self._of: dict[int, _Known] = {}

    def whole(self, answer: ProcessAnswer) -> Text:
        """Return the contract's object of a process as JSON."""
        known, head = self._known(answer), json.dumps(as_json(answer._replace(mappings=()))).encode()
        tag = tag_of(tagged(head, moment(answer.as_of)).tag.encode(), known.tag.encode())
        before, _, after = head.partition(_EMPTY)
        return Text(b"".join((before, b'"mappings": [', known.joined, b"]", after)), tag)

    def lines(self, answer: ProcessAnswer) -> bytes:
        """Return the same object without its list, and then what is on the list, a line each."""
        whole, known = as_json(answer._replace(mappings=())), self._known(answer)
        head = json.dumps({name: value for name, value in whole.items() if name != "mappings"}).encode()
        return b"".join(b"%b\n" % text for text in (head, *map(known.text, range(len(known.mappings)))))

    def _known(self, answer: ProcessAnswer) -> _Known:
        pid, mappings = answer.process.pid, answer.mappings
        known = self._of.get(pid)
        if known is None or known.mappings != mappings:
            known = _made(mappings, known)
        # The newest of equal objects are kept: the next time most are the very same, and to compare them takes no time.
        known = known._replace(mappings=mappings)
        self._keep(pid, known)
        return known

    def _keep(self, pid: int, known: _Known) -> None:
        # Each step is one of the interpreter's, so that other threads see the old texts or the new ones.
        if self._of.pop(pid, None) is None:
            self._forget_ended()
        self._of[pid] = known
        kept = list(self._of.items())
        left = sum(len(one.mappings) for _, one in kept)
        for place, (other, one) in enumerate(kept[:-1]):
            if len(kept) - place <= PROCESSES and left <= MAPPINGS:
                break
            self._of.pop(other, None)
            left -= len(one.mappings)

    def _forget_ended(self) -> None:
        for pid in list(self._of):
            if not self._there(pid):
                self._of.pop(pid, None)


def _made(mappings: tuple[Answer, ...], before: _Known | None) -> _Known:
    # As long as an object is kept no other one has its number.
    places = {} if before is None else {id(one): place for place, one in enumerate(before.mappings)}
    texts = [json.dumps(mapping_object(one)).encode() if before is None or id(one) not in places
             else before.text(places[id(one)]) for one in mappings]
    ends, end = array("Q"), -len(_BETWEEN)
    for text in texts:
        end += len(_BETWEEN) + len(text)
        ends.append(end)
    joined = _BETWEEN.join(texts)
    return _Known(mappings, joined, ends, tag_of(joined))
