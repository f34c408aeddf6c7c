"""Who a process is, without what it maps."""

from mapsd.answer.reading import Reading, facts
from mapsd.light import TYPE_CHECKING
from mapsd.model import ProcessFacts

if TYPE_CHECKING:
    from mapsd.sources import Source


def who(pid: int, source: "Source") -> ProcessFacts:
    """Return who a process is. Raises ProcessGone, AccessDenied, NoHost, ParseError."""
    seen = source(pid, None)
    try:
        link = seen.process.target
        return facts(seen, Reading(seen.line.start_time, b"", link("root"), link("ns/mnt"), link("exe")))
    finally:
        seen.close()
