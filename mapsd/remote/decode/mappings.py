"""The mappings of a process: docs/schema/lookup.json."""

from mapsd.model import Answer, ProcessAnswer, Vma
from mapsd.remote.decode import parts
from mapsd.remote.decode.containers import container
from mapsd.remote.decode.fields import Fields
from mapsd.remote.decode.packages import brought
from mapsd.views.render import CONFIDENCE
from mapsd.views.selection import STATES

KINDS = ("file", "anonymous", "heap", "stack", "vdso", "vvar", "vsyscall", "memfd", "shm", "device", "other")
_PERMS = ("r-", "w-", "x-", "sp")


def process_answer(answer: Fields) -> ProcessAnswer:
    """Return what is known of a process's mappings. Raises Malformed."""
    parts.checked(answer)
    kernel, found = answer.part("kernel"), list(answer.parts("mappings"))
    return ProcessAnswer(parts.process(answer.part("process")), kernel.text("release"),
                         kernel.maybe(Fields.text, "shows"), parts.moment(answer, "as_of"),
                         tuple(map(_mapping, found)), parts.skipped(answer),
                         answer.maybe(container, "container"), packages=any("package" in one for one in found))


def _mapping(one: Fields) -> Answer:
    return Answer(
        _vma(one), one.word("kind", KINDS), one.maybe(Fields.path, "user_path"), one.maybe(Fields.path, "host_path"),
        one.maybe(Fields.path, "openable_path"), one.maybe(parts.mount, "mount"), one.maybe(parts.backing, "backing"),
        one.maybe(state, "state"), one.maybe(proof, "proof") or "none", parts.evidence(one),
        one.maybe(Fields.text, "reason"), parts.needs(one), one.maybe(_hexadecimal, "build_id"),
        package=one.maybe(brought, "package") if "package" in one else None)


def _vma(one: Fields) -> Vma:
    shown = one.part("shown")
    return Vma(one.address("start"), one.address("end"), _perms(one), one.number("offset"), shown.device("device"),
               shown.number("inode"), shown.path("path"))


def _perms(one: Fields) -> str:
    text = one.text("perms")
    if len(text) != len(_PERMS) or any(letter not in known for letter, known in zip(text, _PERMS, strict=True)):
        raise one.wrong("perms", "no permissions")
    return text


def state(one: Fields, name: str) -> str:
    """Return whether path and bytes agree."""
    return one.word(name, STATES)


def proof(one: Fields, name: str) -> str:
    """Return the observation behind a backing file."""
    return one.word(name, CONFIDENCE)


def _hexadecimal(one: Fields, name: str) -> bytes:
    try:
        return bytes.fromhex(one.text(name))
    except ValueError as error:
        raise one.wrong(name, "not hexadecimal") from error
