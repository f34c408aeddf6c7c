"""Who a process is, without what it maps."""

from mapsd.answer.reading import Reading, facts
from mapsd.linux.threads import answering
from mapsd.model import ProcessFacts


def who(pid: int) -> ProcessFacts:
    """Return who a process is. Raises ProcessGone, AccessDenied, ParseError."""
    process, line = answering(pid)
    try:
        link = process.target
        return facts(process, line, Reading(line.start_time, b"", link("root"), link("ns/mnt"), link("exe")))
    finally:
        process.close()
