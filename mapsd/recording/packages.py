"""What tells the packages of a process's files, as questions: the records of mapped files, their sizes and digests.

No database is written down, and no byte of a file.
"""

from typing import Any

from mapsd.model import Refused, Vma
from mapsd.model.packages import Digest, Distribution, NotOwned, Owned, Owner, Package, Record
from mapsd.parse.printable import printable
from mapsd.recording.codec import (
    FLAG,
    NUMBER,
    PATH,
    RAW,
    TEXT,
    Book,
    Codec,
    Json,
    Malformed,
    Pen,
    choice,
    either,
    many,
    maybe,
    record,
    row,
    text_of,
)
from mapsd.recording.nouns import DEVICE, VMA
from mapsd.recording.questions import LOST, Question, Unrecorded


def _shown(value: Json, book: Book) -> str:
    text: str = TEXT.read(value, book)
    if printable(text.encode("utf-8", "surrogatepass")) != text:
        raise Malformed("not a name or a version that can be shown")
    return text


def _named(value: str, pen: Pen) -> Json:
    return text_of(pen.path(value.encode()))


_WORD: Codec[str] = Codec(lambda value, _: value, _shown)
_NAME: Codec[str] = Codec(_named, _shown)
_DIGEST: Codec[bytes] = Codec(lambda value, pen: pen.digest(value).hex(), RAW.read)
_DISTRIBUTION: Codec[Distribution] = row(Distribution, _WORD, maybe(_WORD))
_PACKAGE: Codec[Package] = record(
    Package, kind=choice("dpkg", "apk", "rpm", "python", "node"), name=_NAME, version=_NAME, architecture=maybe(_WORD),
    distribution=maybe(_DISTRIBUTION), source=maybe(_NAME), source_version=maybe(_NAME))
_RECORD: Codec[Record] = record(
    Record, package=_PACKAGE, path=PATH, listed=FLAG, size=maybe(NUMBER),
    digest=maybe(row(Digest, TEXT, _DIGEST)), configuration=FLAG)
# What stood in the way of a database is said with names of packages, anywhere in the sentence.
_REFUSED: Codec[Refused] = record(
    Refused, reason=Codec(lambda value, pen: pen.doubt(value), TEXT.read), needs=TEXT)


def _some(records: tuple[Record, ...], unread: tuple[Refused, ...] = ()) -> Owned:
    if not records:
        raise Malformed("owned by nobody")
    return Owned(records, unread)


_OWNED: Codec[Owned] = Codec(
    lambda value, pen: [many(_RECORD).spell(value.records, pen), many(_REFUSED).spell(value.unread, pen)],
    row(_some, many(_RECORD), many(_REFUSED)).read)
OWNER: Codec[Owner] = either(
    ("owned", Owned, _OWNED), ("not owned", NotOwned, record(NotOwned, searched=many(_WORD))),
    ("refused", Refused, _REFUSED))


def _lost(*_: object) -> Refused:
    return LOST


def _demanded(*_: object) -> Any:  # noqa: ANN401  (it never returns)
    raise Unrecorded


_FILE = maybe(PATH), maybe(DEVICE), maybe(NUMBER)  # a backing file: its path, device and inode
# A mount and the index of a layer in it, None for the process's root now.
_TIME = maybe(row(lambda *pair: pair, NUMBER, NUMBER))

ROOT: Question[Refused | None] = Question("package databases", (), maybe(_REFUSED), _lost)
# Of the layer in which a backing file has a name: whether those that it is asked with are known to be the mounted ones.
LAYER: Question[bool | Refused] = Question(
    "package databases of layer", (NUMBER, maybe(NUMBER), *_FILE, PATH),
    either(("certain", bool, FLAG), ("refused", Refused, _REFUSED)), _lost)
OWNED_BY: Question[Owner] = Question("package of", (_TIME, PATH), OWNER, _lost)
SIZE: Question[int | Refused] = Question(
    "size", _FILE, either(("size", int, NUMBER), ("refused", Refused, _REFUSED)), _lost)
DIGEST: Question[bytes | Refused] = Question(
    "digest", (*_FILE, TEXT), either(("digest", bytes, _DIGEST), ("refused", Refused, _REFUSED)), _lost)
# Which mappings did not stay what they were while all that was asked.
UNSETTLED: Question[tuple[Vma, ...]] = Question("packages unsettled", (), many(VMA), _demanded)
