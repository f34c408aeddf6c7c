"""What `mapsd fds --json` prints, as an assertion."""

import json

from mapsd import fds
from mapsd.views.openfiles import as_object
from tests import schema


def validate(answer: dict) -> dict:
    """Return the answer of one process, or fail with every place where it breaks the contract."""
    return schema.validate(answer, "fds")


def answered(pid: int, proof: str = "auto") -> dict:
    """Return the library's answer as JSON that keeps the contract."""
    return validate(json.loads(json.dumps(as_object(fds(pid, proof)))))
