"""What the command line writes, whole answers on stdout and one line an error on stderr, and how it ends."""

import os
import sys

from mapsd.errors import AccessDenied, MapsdError, NoDaemon, NoSuchContainer, NothingHeld, ProcessGone
from mapsd.light import Iterator, Sequence
from mapsd.views.render import printable

Text = str | bytes  # a line without its newline, or bytes that are written as they are
FOUND, NOTHING, DENIED, GONE, UNREACHED, FAILED = 0, 1, 3, 4, 5, 70


def status_of(error: MapsdError | OSError) -> int:
    """Return the exit status of a failure."""
    match error:
        case AccessDenied():
            return DENIED
        case ProcessGone():
            return GONE if error.seen else NOTHING
        case NothingHeld() | NoSuchContainer():
            return NOTHING
        case NoDaemon():
            return UNREACHED
        case _:
            return FAILED


def write(lines: Sequence[Text] | Iterator[Text]) -> bool:
    """Write lines to stdout and return whether they were taken; a reader that has gone wants no more."""
    if lines == []:
        return True
    if sys.stdout is None:
        complain("cannot write the answer: stdout is closed")
        return False
    try:
        sys.stdout.flush()
        sys.stdout.buffer.writelines(encoded(lines))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout.fileno())
    except OSError as error:
        _discard(sys.stdout.fileno())
        complain(f"cannot write the answer: {error.strerror or error}")
        return False
    return True


def encoded(lines: Sequence[Text] | Iterator[Text]) -> Iterator[bytes]:
    """Yield the bytes of lines."""
    for line in lines:
        # A locale that is not UTF-8 lacks most characters of a path.
        yield line if isinstance(line, bytes) else f"{line}\n".encode(sys.stdout.encoding, "backslashreplace")


def _discard(fd: int) -> None:
    # What is left in the buffer would be written again, and fail again, when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), fd)


def complain(message: str) -> None:
    """Write one line to stderr, where there is one."""
    # Where nobody is left to be told the exit status says it.
    report([f"mapsd: {printable(message)}"])


def report(lines: Sequence[str]) -> bool:
    """Write lines to stderr, where stdout is taken by something else, and return whether they were taken."""
    if sys.stderr is None:
        return False
    try:
        sys.stderr.writelines(f"{line}\n" for line in lines)
    except OSError:
        _discard(sys.stderr.fileno())
        return False
    return True


def interrupted() -> int:
    """End as SIGINT ends a program, so that a shell's loop ends as well."""
    import signal  # noqa: PLC0415  (5 ms that nothing else needs)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 130
