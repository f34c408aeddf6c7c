"""Questions of all kinds, so many a second, on connections that are kept; and a reader of the stream of events."""

import gzip
import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Self

from tests.api.running import Answer, Daemon, UnixConnection, asked
from tests.api.soak.stage import Stage
from tests.api.test_contract import events

CONNECTIONS, A_SECOND = 5, 50
KEPT = 100  # questions on one connection
OF_PROCESS = (
    "", "?states=true", "/mappings", "/mappings", "/mappings", "/mappings?files=true",
    "/mappings?fields=state,user_path&state=current", "/mappings?proof=lookup", "/mappings?proof=bpf",
    "/mappings?proof=page-frame&overlay_only=true", "/mappings?state=deleted,replaced", "/layers", "/fds",
    "/fds?proof=lookup", "/which?path=/a/plain-s", "/which?path=/a/gone-s", "/which?path=/nowhere",
    "/explain?path=/a/plain-s", "/mappings/0x1/explain", "/mappings?state=nonsense", "/which?path=relative")
OF_ALL = ("/v1/processes?limit=20", "/v1/healthz", "/v1/readyz", "/v1/metrics", "/v1/kernel", "/v1/openapi.json",
          "/v1/processes/2147483647/mappings", "/v1/nowhere", "/v1/processes?cursor=none", "/v1/processes/0")
NDJSON = "application/x-ndjson"


class Load:
    """Asks while the block lasts, and counts what came; anything but an answer, a refusal or 503 is a failure."""

    def __init__(self, served: Daemon, stage: Stage) -> None:
        self._served, self._stage = served, stage
        self.statuses, self.failures, self.told = Counter[int](), list[str](), Counter[str]()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._kept, args=(self._ask, number)) for number in range(CONNECTIONS)]
        self._threads.append(threading.Thread(target=self._kept, args=(self._listen, 0)))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _kept(self, work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except Exception as error:  # noqa: BLE001  (told in the thread of the test)
            self.failures.append(repr(error))

    def _ask(self, number: int) -> None:
        chance, due = random.Random(number), time.monotonic() + number / A_SECOND
        while not self._over.is_set():
            with closing(UnixConnection(self._served.path)) as connection:
                for _ in range(KEPT):
                    if self._over.wait(max(0.0, due - time.monotonic())):
                        return
                    due = max(due + CONNECTIONS / A_SECOND, time.monotonic() - 1)
                    self._ask_one(connection, chance)

    def _ask_one(self, connection: http.client.HTTPConnection, chance: random.Random) -> None:
        target, headers, body = self._question(chance)
        answer = asked(connection, target, "GET" if body is None else "POST", body, **headers)
        self.statuses[answer.status] += 1
        if answer.status >= 500 and answer.status != 503:
            self.failures.append(f"{target}: {answer.status} {answer.body!r}")
        elif answer.status == 200 and not well_formed(answer):
            self.failures.append(f"{target}: {answer.body[:200]!r}")

    def _question(self, chance: random.Random) -> tuple[str, dict[str, str], bytes | None]:
        headers = chance.choice([{}, {}, {"Accept_Encoding": "gzip"}, {"Accept": NDJSON}, {"If_None_Match": "*"}])
        scene = self._stage.scene
        pid = scene.target.pid if scene is not None and chance.random() < 0.7 else os.getpid()
        if chance.random() < 0.2:
            return chance.choice(OF_ALL), headers, None
        if chance.random() < 0.03:
            return "/v1/processes?states=true", headers, None
        if chance.random() < 0.05:
            return (f"/v1/processes/{pid}/addresses", {"Content_Type": "application/json"},
                    json.dumps({"addresses": [f"{chance.randrange(1 << 47):#x}" for _ in range(100)]}).encode())
        return f"/v1/processes/{pid}{chance.choice(OF_PROCESS)}", headers, None

    def _listen(self, _: int) -> None:
        """Listen to one container after the other, and count what is told of its mappings."""
        while not self._over.is_set():
            scene = self._stage.scene
            if scene is None:
                self._over.wait(0.01)
                continue
            pid = scene.target.pid
            with closing(UnixConnection(self._served.path)) as connection:
                connection.request("GET", f"/v1/events?pid={pid}")
                with connection.getresponse() as stream:
                    self.statuses[stream.status] += 1
                    for name, data in events(stream) if stream.status == 200 else ():
                        self.told[data["now"] if name == "state" else name] += 1
                        if self._over.is_set() or (name, data["pid"]) == ("gone", pid):
                            break


def well_formed(answer: Answer) -> bool:
    """Return whether an answer is whole: lines, JSON, or text."""
    body = gzip.decompress(answer.body) if answer.headers["Content-Encoding"] == "gzip" else answer.body
    kind = answer.headers["Content-Type"].partition(";")[0]
    if kind == NDJSON:
        return body.endswith(b"\n") and all(isinstance(json.loads(line), dict) for line in body.splitlines())
    return isinstance(json.loads(body), dict) if kind == "application/json" else body.startswith(b"# HELP")
