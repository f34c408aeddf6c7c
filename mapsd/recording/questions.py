"""What can be asked, how the question and the answer are spelled, and what it is where nothing was recorded.

A question that a recording has no answer to is answered as one that could not be settled: never as a finding.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mapsd.light import Callable, Sequence
from mapsd.model import Absent, FileFacts, Found, LayerDir, Mount, Refused, Vma
from mapsd.model.diagnosis import Diagnosis
from mapsd.model.held import Held
from mapsd.model.layers import Way
from mapsd.model.open import Entry
from mapsd.model.served import Server
from mapsd.parse.stat import Stat
from mapsd.ports import Namespace
from mapsd.recording.codec import (
    FLAG,
    MOMENT,
    NOTHING,
    NUMBER,
    PATH,
    RAW,
    TEXT,
    Codec,
    Pen,
    choice,
    either,
    many,
    maybe,
    row,
)
from mapsd.recording.nouns import (
    ABSENT,
    BY_HANDLE,
    DIAGNOSIS,
    DIRECTORY,
    ENTRY,
    FACTS,
    FILE_REF,
    FOUND,
    HANDLE,
    HOUSING,
    MOUNT,
    NAMESPACE,
    OVERLAY_HANDLE,
    REFUSED,
    SERVER,
    SHARED,
    STAT,
    VERDICT,
    VMA,
    WAY,
    Housing,
)
from mapsd.recording.nouns import HELD as HELD_SPELLED

T = TypeVar("T")
REASON = "the recording does not have it"
LOST = Refused(REASON)
Verdict = tuple[str, str]
SILENT: Verdict = ("silent", REASON)


class Unrecorded(Exception):
    """Without an answer to this question nothing can be said."""


@dataclass(frozen=True)
class Question(Generic[T]):
    """One question of a port: *unrecorded* gives what it is of its arguments, or raises Unrecorded.

    *form* is "json" for an answer of one line, "list" for one of a line an element, "text" for a text of the kernel's.
    What is asked *once* has one answer as long as the kernel runs, but for the rounding of a clock.
    """

    name: str
    asked: tuple[Codec[Any], ...]
    answer: Codec[T]
    unrecorded: Callable[..., T]
    form: str = "json"
    once: bool = False

    def key(self, args: tuple[object, ...], pen: Pen) -> list[Any]:
        """Return the arguments as JSON."""
        return [codec.spell(one, pen) for codec, one in zip(self.asked, args, strict=True)]


def _lost(*_: object) -> Refused:
    return LOST


def _nothing(*_: object) -> None:
    return None


def _none(*_: object) -> tuple[()]:
    return ()


def _silent(*_: object) -> Verdict:
    return SILENT


def _demanded(*_: object) -> Any:  # noqa: ANN401  (it never returns)
    raise Unrecorded


# An answer of this kind is a text of /proc, which is not JSON.
_TEXT: Codec[bytes] = NOTHING
_BUILD_ID: Codec[bytes | Refused] = either(("id", bytes, RAW), ("refused", Refused, REFUSED))

# The process.
OPEN: Question[Any] = Question("process", (), row(lambda *one: one, NUMBER, PATH, STAT), _demanded)
STAT_LINE: Question[Stat] = Question("stat", (), STAT, _demanded)
MOUNTINFO: Question[bytes] = Question("mountinfo", (), _TEXT, _demanded, "text")
STATUS: Question[bytes] = Question("file", (TEXT,), _TEXT, _demanded, "text")
MAPS_OPENED: Question[Any] = Question("maps opened", (), NOTHING, _demanded)
MAPS: Question[bytes] = Question("maps", (), _TEXT, _demanded, "text")
TARGET: Question[bytes | None] = Question("link", (TEXT,), maybe(PATH), _nothing)
LINK: Question[bytes | None] = Question("map_files link", (VMA,), maybe(PATH), _nothing)
MAPPED: Question[Found] = Question("map_files", (VMA,), FOUND, _lost)
LINKS: Question[tuple[bytes, ...]] = Question("links", (), many(PATH), _none)
NAMED: Question[Found] = Question("named", (PATH,), FOUND, _lost)
WALK: Question[Way] = Question("walk", (PATH,), WAY, lambda path: Way(path, LOST))
RELEASE: Question[str] = Question("release", (), TEXT, _demanded)
NOW: Question[float] = Question("time", (), MOMENT, _demanded)

# The machine.
ATTEMPT: Question[Any] = Question("attempt", (), NOTHING, _nothing)
BOOTED: Question[int] = Question("booted", (), NUMBER, lambda: 0, once=True)
MOUNTS: Question[tuple[Mount, ...]] = Question("mounts", (), MOUNT, _none, "list")  # type: ignore[arg-type]  # (each)
MOUNT_POINTS: Question[tuple[bytes, ...]] = Question("mount points", (TEXT,), many(PATH), _none)
HERE_NAMED: Question[Found] = Question("here", (PATH,), FOUND, _lost)
DIRECTORIES: Question[tuple[LayerDir, ...]] = Question("directories", (PATH, many(PATH)), many(DIRECTORY), _none)
IN_LAYER: Question[Found] = Question("entry", (DIRECTORY, PATH, TEXT), FOUND, _lost)
SEARCH: Question[tuple[tuple[bytes, FileFacts], ...]] = Question(
    "search", (DIRECTORY, maybe(HANDLE), NUMBER, TEXT), many(row(lambda *pair: pair, PATH, FACTS)), _none)
HANDLE_NAMED: Question[Found] = Question("handle", (BY_HANDLE, TEXT), FOUND, _lost)
HANDLE_DIRECTORY: Question[LayerDir | None] = Question("handle of a directory", (OVERLAY_HANDLE,), maybe(DIRECTORY),
                                                       _nothing)
PLACE_OF: Question[Namespace] = Question("namespace", (TEXT, NUMBER, FILE_REF), NAMESPACE,
                                         lambda *_: Namespace("unknown", REASON))
SERVED_BY: Question[Sequence[Server] | Refused] = Question(
    "served by", (TEXT,), either(("servers", tuple, many(SERVER)), ("refused", Refused, REFUSED)), _lost)
AGAIN: Question[Verdict] = Question("mapped again", (VMA, PATH), SHARED, _silent)
DEFAULT: Question[bool] = Question("default", (TEXT,), FLAG, lambda _: True)
TRUSTED: Question[bool] = Question("reads trusted attributes", (), FLAG, lambda: False)
LISTED: Question[tuple[tuple[bytes, bool], ...]] = Question(
    "listed", (DIRECTORY, PATH), many(row(lambda *pair: pair, PATH, FLAG)), _none)
PARAMETERS: Question[tuple[tuple[str, bool], ...]] = Question(
    "parameters", (), many(row(lambda *pair: pair, TEXT, FLAG)), _none)

# The means; the first text is the entry that is held, empty for a mapping.
FRAMES: Question[Verdict] = Question("page frames", (TEXT, VMA, FILE_REF), VERDICT, _silent)
CONTENTS: Question[Verdict] = Question("page contents", (TEXT, VMA, FILE_REF), VERDICT, _silent)
BUILD_ID_MAPPED: Question[bytes | Refused] = Question("build id mapped", (VMA,), _BUILD_ID, _lost)
BUILD_ID_OF: Question[bytes | Refused] = Question("build id", (FILE_REF,), _BUILD_ID, _lost)
VM_FILE: Question[Held | Refused] = Question(
    "vm_file", (TEXT, VMA), either(("held", Held, HELD_SPELLED), ("refused", Refused, REFUSED)), _lost)
VM_FILES_COMPARED: Question[Verdict] = Question("vm_file compared", (TEXT, VMA, FILE_REF), VERDICT, _silent)

# The machine as `doctor` examines it; no process is asked about.
EXAMINED: Question[Diagnosis] = Question("examined", (), DIAGNOSIS, _demanded)

# The container that the process is in, and the layers of its image.
HOUSED: Question[Housing] = Question("housed", (), HOUSING, _demanded)

# What is open.
FD_NAMES: Question[Any] = Question("fd", (), either(("numbers", tuple, many(TEXT)), ("refused", Refused, REFUSED)),
                                   _demanded)
FD_ENTRY: Question[Entry | Absent | Refused] = Question(
    "fd entry", (TEXT,), either(("entry", Entry, ENTRY), ("absent", Absent, ABSENT), ("refused", Refused, REFUSED)),
    _lost)
FD_HELD: Question[Found] = Question("fd opened", (TEXT,), FOUND, _lost)
FD_STILL: Question[Found] = Question("fd held", (TEXT,), FOUND, _lost)
FD_KIND: Question[str] = Question(
    "fd kind", (TEXT,), choice("file", "directory", "symlink", "device", "fifo", "socket", "other"), lambda _: "other")
FD_SHMEM: Question[bool] = Question("fd is shmem", (TEXT,), FLAG, lambda _: False)
FD_LINK: Question[bytes | None] = Question("fd text", (TEXT,), maybe(PATH), _nothing)
FD_NAMED: Question[Found] = Question("named link", (PATH,), FOUND, _lost)
FD_PRINTED: Question[Vma | Refused] = Question(
    "fd mapped", (TEXT,), either(("mapping", Vma, VMA), ("refused", Refused, REFUSED)), _lost)
