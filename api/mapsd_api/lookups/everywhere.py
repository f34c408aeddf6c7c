"""One answer about all processes that somebody may see, of which one stands for each mount namespace and root."""

from collections.abc import Callable, Hashable, Sequence

from mapsd.model.translated import Translation, View
from mapsd_api.asker.identity import Identity
from mapsd_api.lookups.service import Service
from mapsd_api.lookups.worker import Worker

ROUNDS = 5  # of asking for those whose process exited before the answer was given


def everywhere(service: Service, identity: Identity, operation: str, pids: Sequence[int],
               question: Callable[[Worker, Sequence[int]], Translation], *key: Hashable) -> Translation:
    """Return what those of *pids* answer that somebody may see, and of whom it is told. Raises Problem."""
    left, views = list(pids), list[View]()
    for _ in range(ROUNDS):
        found, seen = service.together(identity, operation, left, question, *key)
        views += (view._replace(pids=tuple(pid for pid in view.pids if pid in seen))
                  for view in found.views if view.process.pid in seen)
        # Whoever was asked for these may not be told of, or has exited: another one is asked.
        left = [pid for view in found.views if view.process.pid not in seen for pid in view.pids if pid in seen]
        if not left:
            break
    return found._replace(views=tuple(sorted(views, key=lambda view: view.process.pid)))
