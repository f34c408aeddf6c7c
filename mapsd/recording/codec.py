"""Values as JSON and back: one spelling for each value, and nothing else is read."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from mapsd.light import Callable
from mapsd.model import LayerDir

T = TypeVar("T")
Json = Any  # what json.loads() makes
_YEAR_10000 = 253_402_300_800  # in seconds since the epoch
_MOST = 1 << 64  # no number of the kernel's is greater, or less than minus this


class Malformed(Exception):
    """A text that is no spelling of a value: what is wrong with it."""


class Names(Protocol):
    """How names are written down: as they are, or others in their place."""

    def path(self, text: bytes) -> bytes:
        """Return what is written for a path, a name, or the text of a link."""

    def words(self, text: str) -> str:
        """Return what is written for a sentence, which may hold names."""

    def options(self, fs_type: bytes, text: bytes) -> bytes:
        """Return what is written for the options of a superblock, as mountinfo prints them."""

    def text(self, name: str, text: bytes) -> bytes:
        """Return what is written for the text of maps, mountinfo or another file of /proc."""

    def doubt(self, text: str) -> str:
        """Return what is written for a sentence in which a name may be any word."""

    def digest(self, value: bytes) -> bytes:
        """Return what is written for a digest of a file, of the same length, or empty where it has no such."""


class Pen(Names, Protocol):
    """How names are written down in one transcript."""

    def directory(self, layer: LayerDir) -> int:
        """Return the number by which a layer's directory is known there."""


class Book(Protocol):
    """What a recording says once for many answers."""

    def directory(self, number: int) -> LayerDir:
        """Return a layer's directory. Raises Malformed."""


@dataclass(frozen=True)
class Codec(Generic[T]):
    """How one kind of value is spelled, and read again; *read* raises Malformed."""

    spell: Callable[[T, Pen], Json]
    read: Callable[[Json, Book], T]


def _checked(kind: type, what: str) -> Callable[[Json, Book], Any]:
    def read(value: Json, _: Book) -> Any:  # noqa: ANN401  (Json is)
        if type(value) is not kind:
            raise Malformed(f"not {what}")
        return value
    return read


def _integer(value: Json, _: Book) -> int:
    if type(value) is not int or not -_MOST < value < _MOST:
        raise Malformed("not a number")
    return value


def _moment(value: Json, _: Book) -> float:
    if type(value) is not float or not 0 <= value < _YEAR_10000:
        raise Malformed("not a time in seconds since the epoch")
    return value


def text_of(name: bytes) -> str:
    """Return bytes as a text of JSON has them: UTF-8 where they are that, else a lone surrogate for each byte."""
    return name.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """Return the bytes of text_of(). Raises Malformed."""
    try:
        found = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise Malformed("not the text of any bytes") from error
    if text_of(found) != text:
        raise Malformed("not the text of any bytes")
    return found


def _hexadecimal(value: Json, _: Book) -> bytes:
    try:
        found = bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.hex() != value:
        raise Malformed("not hexadecimal")
    return found


def _path(value: Json, _: Book) -> bytes:
    return bytes_of(TEXT.read(value, _))


NUMBER: Codec[int] = Codec(lambda value, _: value, _integer)
FLAG: Codec[bool] = Codec(lambda value, _: bool(value), _checked(bool, "true or false"))
TEXT: Codec[str] = Codec(lambda value, _: value, _checked(str, "a text"))
WORDS: Codec[str] = Codec(lambda value, pen: pen.words(value), _checked(str, "a text"))
PATH: Codec[bytes] = Codec(lambda value, pen: text_of(pen.path(value)), _path)
PLAIN: Codec[bytes] = Codec(lambda value, _: text_of(value), _path)
RAW: Codec[bytes] = Codec(lambda value, _: value.hex(), _hexadecimal)
MOMENT: Codec[float] = Codec(lambda value, _: value, _moment)
NOTHING: Codec[Any] = Codec(lambda _, __: None, _checked(type(None), "null"))


def maybe(codec: Codec[T]) -> Codec[T | None]:
    """Return a codec of a value or None."""
    return Codec(lambda value, pen: None if value is None else codec.spell(value, pen),
                 lambda value, book: None if value is None else codec.read(value, book))


def many(codec: Codec[T]) -> Codec[tuple[T, ...]]:
    """Return a codec of a sequence."""
    def read(value: Json, book: Book) -> tuple[T, ...]:
        if type(value) is not list:
            raise Malformed("not a list")
        return tuple([codec.read(one, book) for one in value])
    return Codec(lambda value, pen: [codec.spell(one, pen) for one in value], read)


def row(kind: Callable[..., T], *codecs: Codec[Any]) -> Codec[T]:
    """Return a codec of a tuple, or of a NamedTuple as a list of its fields."""
    def read(value: Json, book: Book) -> T:
        if type(value) is not list or len(value) != len(codecs):
            raise Malformed(f"not a list of {len(codecs)}")
        return kind(*[codec.read(one, book) for codec, one in zip(codecs, value, strict=True)])

    def spell(value: Any, pen: Pen) -> Json:  # noqa: ANN401  (a tuple)
        return [codec.spell(one, pen) for codec, one in zip(codecs, value, strict=True)]
    return Codec(spell, read)


def record(kind: Callable[..., T], /, **codecs: Codec[Any]) -> Codec[T]:
    """Return a codec of a NamedTuple as an object of its fields, which are named in order; defaults are left out."""
    defaults: dict[str, Any] = getattr(kind, "_field_defaults", {})

    def spell(value: T, pen: Pen) -> Json:
        fields = ((name, codec, getattr(value, name)) for name, codec in codecs.items())
        return {name: codec.spell(one, pen) for name, codec, one in fields if name not in defaults
                or one != defaults[name]}

    def read(value: Json, book: Book) -> T:
        if type(value) is not dict or not value.keys() <= codecs.keys():
            raise Malformed(f"not an object of {', '.join(codecs)}")
        lacking = codecs.keys() - value.keys() - defaults.keys()
        if lacking:
            raise Malformed(f"it lacks {', '.join(sorted(lacking))}")
        return kind(**{name: codecs[name].read(one, book) for name, one in value.items()})
    return Codec(spell, read)


def choice(*values: str) -> Codec[str]:
    """Return a codec of one of several texts."""
    def read(value: Json, book: Book) -> str:
        found: str = TEXT.read(value, book)
        if found not in values:
            raise Malformed(f"not one of {', '.join(values)}")
        return found
    return Codec(lambda value, _: value, read)


def either(*kinds: tuple[str, type, Codec[Any]]) -> Codec[Any]:
    """Return a codec of a value of one of several types, as an object of one name: that of the type."""
    def spell(value: object, pen: Pen) -> Json:
        name, codec = next((name, codec) for name, kind, codec in kinds if isinstance(value, kind))
        return {name: codec.spell(value, pen)}

    def read(value: Json, book: Book) -> Any:  # noqa: ANN401  (a value of any of the types)
        if type(value) is dict and len(value) == 1:
            for name, _, codec in kinds:
                if name in value:
                    return codec.read(value[name], book)
        raise Malformed(f"not one of {', '.join(name for name, _, _ in kinds)}")
    return Codec(spell, read)
