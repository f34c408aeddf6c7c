"""How the nouns are spelled in a recording: see mapsd.model and mapsd.ports for what they mean."""

import re

from mapsd.model import (
    Absent,
    DeviceId,
    Evidence,
    FileFacts,
    Handle,
    LayerDir,
    Mount,
    OverlayHandle,
    Refused,
    Vma,
)
from mapsd.model.containers import Contained, Container, ImageLayer, ImageLayers, Uncontained, Unidentified
from mapsd.model.diagnosis import NUMBERS, Capabilities, Diagnosis, Finding
from mapsd.model.held import Held, LayerHeld, Walked
from mapsd.model.layers import Link, Way
from mapsd.model.open import Entry, FdInfo
from mapsd.model.served import ServedFrom, Server
from mapsd.parse.stat import Stat
from mapsd.ports import ByHandle, ByVma, InLayer, InRoot, Namespace
from mapsd.recording.codec import (
    FLAG,
    NUMBER,
    PATH,
    PLAIN,
    RAW,
    TEXT,
    WORDS,
    Book,
    Codec,
    Json,
    Malformed,
    Pen,
    bytes_of,
    choice,
    either,
    many,
    maybe,
    record,
    row,
    text_of,
)

Attributes = tuple[tuple[str, bytes], ...]
Housing = tuple[Contained, ImageLayers]
_ID = re.compile(r"\b[0-9a-f]{12,64}\b")  # a container's, in a sentence
_READABLE = ("opaque", "impure", "nlink")  # attributes whose values are words


def _device(value: Json, book: Book) -> DeviceId:
    major, mark, minor = TEXT.read(value, book).partition(":")
    if not (mark and major.isdecimal() and minor.isdecimal() and value.isascii() and len(value) < 24):
        raise Malformed("not a device")
    return DeviceId(int(major), int(minor))


def _range(value: Json, book: Book) -> tuple[int, int]:
    start, _, end = TEXT.read(value, book).partition("-")
    try:
        found = int(start, 16), int(end, 16)
    except ValueError:
        found = 0, 0
    if f"{found[0]:x}-{found[1]:x}" != value:
        raise Malformed("not a range of addresses")
    return found


def _spelled_attributes(value: Attributes, pen: Pen) -> Json:
    return {name: text_of(pen.path(found) if name == "redirect" else found) if name in {"redirect", *_READABLE}
            else found.hex() for name, found in value}


def _attributes(value: Json, book: Book) -> Attributes:
    if type(value) is not dict:
        raise Malformed("not attributes")
    return tuple((name, bytes_of(TEXT.read(found, book)) if name in {"redirect", *_READABLE} else RAW.read(found, book))
                 for name, found in value.items())


def _spelled_vma(vma: Vma, pen: Pen) -> Json:
    return [f"{vma.start:x}-{vma.end:x}", vma.perms, f"{vma.offset:x}", str(vma.device), vma.inode,
            text_of(pen.path(vma.name))]


def _vma(value: Json, book: Book) -> Vma:
    if type(value) is not list or len(value) != 6:
        raise Malformed("not a mapping")
    addresses, perms, offset, device, inode, name = value
    start, end = _range(addresses, book)
    try:
        at = int(TEXT.read(offset, book), 16)
    except ValueError as error:
        raise Malformed("not an offset") from error
    return Vma(start, end, TEXT.read(perms, book), at, DEVICE.read(device, book), NUMBER.read(inode, book),
               PATH.read(name, book))


DEVICE: Codec[DeviceId] = Codec(lambda value, _: str(value), _device)
VMA: Codec[Vma] = Codec(_spelled_vma, _vma)
HANDLE: Codec[Handle] = row(Handle, NUMBER, RAW)
OVERLAY_HANDLE: Codec[OverlayHandle] = record(OverlayHandle, upper=FLAG, uuid=RAW, handle=HANDLE)
ATTRIBUTES: Codec[Attributes] = Codec(_spelled_attributes, _attributes)
FACTS: Codec[FileFacts] = record(
    FileFacts, kind=TEXT, st_dev=DEVICE, inode=NUMBER, nlink=NUMBER, size=NUMBER, mount_id=NUMBER,
    handle=maybe(HANDLE), path=PATH, xattrs=ATTRIBUTES, changed=NUMBER, born=maybe(NUMBER))
REFUSED: Codec[Refused] = record(Refused, reason=WORDS, needs=TEXT)
ABSENT: Codec[Absent] = record(Absent)
FOUND = either(("file", FileFacts, FACTS), ("absent", Absent, ABSENT), ("refused", Refused, REFUSED))
_MOUNT: Codec[Mount] = record(Mount, id=NUMBER, parent=NUMBER, device=DEVICE, root=PATH, mount_point=PATH,
                              fs_type=PLAIN, options=PLAIN, shared=FLAG)
MOUNT: Codec[Mount] = Codec(lambda value, pen: _MOUNT.spell(value._replace(
    options=pen.options(value.fs_type, value.options)), pen), _MOUNT.read)
NAMESPACE: Codec[Namespace] = record(
    Namespace, place=choice("here", "elsewhere", "nowhere", "private", "unknown"), reason=WORDS, mount=maybe(MOUNT),
    needs=TEXT)
# The whole of a directory is written once; elsewhere its number stands for it.
DIRECTORY_WHOLE: Codec[LayerDir] = record(
    LayerDir, key=NUMBER, path=PATH, facts=FACTS, born=maybe(NUMBER),
    changes=many(row(lambda *pair: pair, PATH, NUMBER)), mine=FLAG)
DIRECTORY: Codec[LayerDir] = Codec(lambda value, pen: pen.directory(value),
                                   lambda value, book: book.directory(NUMBER.read(value, book)))
FILE_REF = either(
    ("mapping", ByVma, Codec(lambda value, _: f"{value.start:x}-{value.end:x}",
                             lambda value, book: ByVma(*_range(value, book)))),
    ("root", InRoot, row(InRoot, PATH)), ("layer", InLayer, row(InLayer, DIRECTORY, PATH)),
    ("handle", ByHandle, row(ByHandle, OVERLAY_HANDLE, many(DIRECTORY))))
BY_HANDLE: Codec[ByHandle] = row(ByHandle, OVERLAY_HANDLE, many(DIRECTORY))
WALKED: Codec[Walked] = record(Walked, path=PATH, whole=FLAG, gone=FLAG, cut=FLAG)
LAYER_HELD: Codec[LayerHeld] = record(
    LayerHeld, device=DEVICE, root_inode=NUMBER, root=WALKED, file=WALKED, read_only=FLAG, overlay=FLAG,
    position=maybe(NUMBER), outer=maybe(NUMBER), layers=NUMBER, data_layers=NUMBER)
HELD: Codec[Held] = record(
    Held, start=NUMBER, end=NUMBER, offset=NUMBER, key=NUMBER, device=DEVICE, inode=NUMBER, nlink=NUMBER,
    fs_type=PLAIN, user=WALKED, user_device=DEVICE, user_inode=NUMBER, mount_id=NUMBER, namespace=NUMBER,
    layer=maybe(LAYER_HELD))
STAT: Codec[Stat] = record(Stat, name=PATH, state=TEXT, flags=NUMBER, start_time=NUMBER)
FD_INFO: Codec[FdInfo] = record(FdInfo, position=NUMBER, flags=NUMBER, mount_id=NUMBER, inode=maybe(NUMBER))
_SERVED_FROM: Codec[ServedFrom] = record(
    ServedFrom, path=PATH, device=maybe(DEVICE), inode=maybe(NUMBER), fs_type=maybe(PLAIN), believed=FLAG)
SERVER: Codec[Server] = record(
    Server, pid=NUMBER, program=PLAIN, started=NUMBER, outside=FLAG, lowers=many(PATH), upper=maybe(PATH),
    directories=many(PATH), files=many(_SERVED_FROM))
ENTRY: Codec[Entry] = record(Entry, fd=TEXT, shown=maybe(PATH), info=maybe(FD_INFO), device=maybe(DEVICE),
                             inode=maybe(NUMBER), mount_id=maybe(NUMBER))
WAY: Codec[Way] = record(Way, path=PATH, found=FOUND, rest=PATH, links=many(record(Link, path=PATH, text=PATH)))
_CAPABILITIES: Codec[tuple[str, ...]] = many(choice(*NUMBERS))
_FINDING: Codec[Finding] = record(Finding, name=TEXT, works=maybe(FLAG), detail=WORDS, needs=_CAPABILITIES,
                                  advice=WORDS)
DIAGNOSIS: Codec[Diagnosis] = record(
    Diagnosis, release=TEXT, shows=maybe(choice("backing-inode", "overlay-inode")),
    capabilities=record(Capabilities, held=_CAPABILITIES, initial=FLAG), proofs=many(_FINDING),
    findings=many(_FINDING))
# Names that are no paths are replaced like the parts of one.
_NAME: Codec[str] = Codec(lambda value, pen: text_of(pen.path(value.encode("utf-8", "surrogateescape"))), TEXT.read)
_SAID: Codec[str] = Codec(lambda value, pen: _ID.sub(
    lambda one: text_of(pen.path(one.group().encode())), pen.words(value)), TEXT.read)
_EVIDENCE: Codec[Evidence] = record(Evidence, kind=TEXT, detail=_SAID)
_CONTAINER: Codec[Container] = record(
    Container, engine=maybe(TEXT), id=maybe(_NAME), name=maybe(_NAME), image=maybe(_NAME), image_id=maybe(_NAME),
    image_digest=maybe(_NAME), pod=maybe(_NAME), namespace=maybe(_NAME), store=maybe(PATH), driver=TEXT, key=_NAME,
    group=_NAME, others=many(PATH), evidence=many(_EVIDENCE), reason=maybe(_SAID))
_IMAGE_LAYER: Codec[ImageLayer] = record(ImageLayer, position=NUMBER, diff_id=maybe(_NAME), digest=maybe(_NAME),
                                         directory=PATH, step=maybe(_NAME))
HOUSING: Codec[Housing] = row(
    lambda *pair: pair,
    either(("container", Container, _CONTAINER), ("none", Uncontained, record(Uncontained, reason=_SAID)),
           ("unknown", Unidentified, record(Unidentified, reason=_SAID, needs=many(TEXT)))),
    record(ImageLayers, layers=many(_IMAGE_LAYER), reason=maybe(_SAID)))
VERDICT = row(lambda *pair: pair, choice("same", "different", "silent"), WORDS)
SHARED = row(lambda *pair: pair, choice("name", "file", "mount", "different", "silent"), WORDS)
