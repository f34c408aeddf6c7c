"""What the daemon says of itself: one JSON object a line on stderr."""

import json
import logging
import sys
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """A record as one line; `extra={"fields": {...}}` adds members to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; whatever bytes a message has, no line of the log can be forged."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time": time, "level": record.levelname.lower(), "logger": record.name,
                "message": record.getMessage().strip(), **getattr(record, "fields", {})}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


def to_stderr() -> None:
    """Send what the daemon and its libraries log to stderr; of the libraries only what failed."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    # A stderr that is full or gone is no reason to end, and there is no other place to say so.
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("mapsd").setLevel(logging.INFO)
    # Whoever may connect could fill the log with requests that are none: those are warnings.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
