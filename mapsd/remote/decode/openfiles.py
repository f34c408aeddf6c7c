"""What a process has open: docs/schema/fds.json."""

from mapsd.model.open import LINKS, NAMED, FdInfo, OpenAnswer, OpenFile
from mapsd.remote.decode import parts
from mapsd.remote.decode.containers import container
from mapsd.remote.decode.fields import Fields, Malformed
from mapsd.remote.decode.mappings import proof, state

KINDS = NAMED | {"pipe", "anon_inode", "memfd", "shm", "other"}
_UNTOLD = -1  # the mount's id as fdinfo has it is not in the JSON


def open_answer(answer: Fields) -> OpenAnswer:
    """Return what is known of a process's open files. Raises Malformed."""
    parts.checked(answer)
    return OpenAnswer(parts.process(answer.part("process")), answer.part("kernel").text("release"),
                      parts.moment(answer, "as_of"), tuple(map(_file, answer.parts("open_files"))),
                      parts.skipped(answer), answer.maybe(container, "container"))


def _file(one: Fields) -> OpenFile:
    shown = one.part("shown")
    return OpenFile(
        _fd(one), one.word("kind", KINDS), shown.maybe(Fields.path, "path"), shown.maybe(Fields.device, "device"),
        shown.maybe(Fields.number, "inode"), one.maybe(_info, "flags"), one.maybe(Fields.path, "user_path"),
        one.maybe(Fields.path, "host_path"), one.maybe(Fields.path, "openable_path"), one.maybe(parts.mount, "mount"),
        one.maybe(parts.backing, "backing"), one.maybe(state, "state"), one.maybe(proof, "proof"),
        parts.evidence(one), one.maybe(Fields.text, "reason"), parts.needs(one))


def _fd(one: Fields) -> str:
    try:
        return str(one.number("fd"))
    except Malformed:
        return one.word("fd", LINKS)


def _info(one: Fields, name: str) -> FdInfo:
    try:
        flags = int(one.text(name), 8)
    except ValueError as error:
        raise one.wrong(name, "not octal") from error
    return FdInfo(one.number("position"), flags, _UNTOLD, None)
