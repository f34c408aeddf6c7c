"""Answers that no kernel gave: of any bytes, in every state."""

from hypothesis import strategies as st

from mapsd.model import Answer, Backing, DeviceId, Evidence, Mount, ProcessAnswer, ProcessFacts, Vma
from mapsd.views.selection import STATES

ALPHABET = st.sampled_from([b"/", b"\\", b"x41", b"\n", b"\x1b[m", b"\x7f", b"\xff", b"\xc2\x85", b"\xc2\xa0", b"a",
                            b" ", "\u202e".encode(), "\u2028".encode(), b"\xed\xa0\x80", "\U0001f600".encode(),
                            b"\\012", "\u4e2d".encode(), "e\u0301".encode()])
PATHS = st.binary(max_size=40) | st.lists(ALPHABET, max_size=12).map(b"".join)
NAMES = PATHS.map(lambda path: path.replace(b"\0", b""))  # no file and no process is named with a NUL
CONTROL = {*range(0x20), *range(0x7F, 0xA0)}
DEVICE = DeviceId(0, 48)


def answer(path: bytes) -> ProcessAnswer:
    """Return an answer of three mappings in which every text is *path*."""
    vma = Vma(4096, 8192, "r--p", 0, DEVICE, 7, path)
    mount = Mount(1, 0, DEVICE, b"/", path, path or b"x", b"")
    backing = Backing(path, DEVICE, 7, path, True, "lower", 1, path)
    found = Answer(vma, "file", path, None, b"/proc/1/root/" + path, mount,
                   backing._replace(through=(backing,), metadata=backing), "current", "lookup")
    lost = Answer(vma, "file", state="unknown", reason="\x1b[31m", evidence=(Evidence("lookup", "\x1b[31m"),))
    facts = ProcessFacts(1, 2, path, 0, path, 3, path)
    return ProcessAnswer(facts, "6.1", None, 0.0, (found, lost, Answer(vma, "heap")))


def mapping(number: int, path: bytes, state: str | None = "current", **more: object) -> Answer:
    """Return the mapping of one page of a file on an overlay, or of the heap where *state* is None."""
    vma = Vma(number * 4096, (number + 1) * 4096, "r--p", number * 4096, DEVICE, 7, path)
    if state is None:
        return Answer(vma, "heap")
    mount = Mount(1, 0, DEVICE, b"/", b"/", b"overlay", b"")
    backing = Backing(b"/l" + path, DEVICE, 7, b"ext4", True, "lower", 1, b"/l")
    return Answer(vma, "file", path, None, None, mount, backing, state, "lookup")._replace(**more)


def process(*mappings: Answer, pid: int = 1, name: bytes = b"name") -> ProcessAnswer:
    """Return the answer of a process with these mappings."""
    return ProcessAnswer(ProcessFacts(pid, 2, name, 0, b"/exe", 3, b"/"), "6.1", None, 0.0, mappings)


__all__ = ["ALPHABET", "CONTROL", "DEVICE", "NAMES", "PATHS", "STATES", "answer", "mapping", "process"]
