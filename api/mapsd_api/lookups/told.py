"""An answer and its text, which are made together: once for all who share a lookup, and by as few as look up at a time.

The text is most of the work and of the memory, and Python makes one at a time anyway.
"""

import json
from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

from mapsd.model import ProcessFacts
from mapsd.views.render import JsonObject
from mapsd_api.answers.responses import Text
from mapsd_api.asker.identity import Identity
from mapsd_api.lookups.service import OfProcess, Service
from mapsd_api.lookups.worker import Worker

Found = TypeVar("Found", bound=OfProcess)


class Told(NamedTuple):
    """Whom an answer is about, and its text; None where nothing of it was meant."""

    process: ProcessFacts
    text: Text | None

    @property
    def body(self) -> bytes:
        """Return the text's bytes, none where there is none."""
        return b"" if self.text is None else self.text.body


def told(service: Service, identity: Identity, operation: str, pid: int, ask: Callable[[Worker], Found],
         form: Callable[[Found], JsonObject], *key: Hashable) -> bytes:
    """Return what a process is asked, as JSON in a *form*. Raises Problem; *key* says what the two depend on."""
    def question(worker: Worker) -> Told:
        found = ask(worker)
        return Told(found.process, Text(json.dumps(form(found)).encode()))
    return service.ask(identity, operation, pid, question, operation, *key).body
