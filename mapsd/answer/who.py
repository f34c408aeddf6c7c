"""Who a process is, without what it maps."""

from mapsd.answer.reading import Reading, facts
from mapsd.linux.threads import answering
from mapsd.model import HERE, Host, ProcessFacts


def who(pid: int, host: Host = HERE) -> ProcessFacts:
    """Return who a process is. Raises ProcessGone, AccessDenied, NoHost, ParseError."""
    process, line = answering(pid, host=host)
    try:
        link = process.target
        return facts(process, line, Reading(line.start_time, b"", link("root"), link("ns/mnt"), link("exe")))
    finally:
        process.close()
