"""Two minutes of everything at once: no answer is wrong, nothing fails, and nothing is left behind or grows.

Without the group `soak` it is some seconds, and what grows in them says nothing.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.api.running import Daemon, Held, daemon, until
from tests.api.soak.load import Load
from tests.api.soak.stage import Stage
from tests.api.soak.verdict import ASKED, Verdict
from tests.conftest import REQUIRED, missing

LONG = "soak" in REQUIRED
WARM, MINUTE = (20, 60) if LONG else (5, 2)  # seconds
GROWTH = 1.05
AT_REST = 2  # threads: the main one, and one that answers


@pytest.fixture(autouse=True)
def rooted(root):
    """Containers and their overlays are mounted."""


def soaked(served: Daemon, lab: Path, mapper: Path, seconds: float) -> tuple[int, Counter[str], Counter[str]]:
    """Do everything at once for so long; return how large it is then, what was compared and what was told."""
    with Stage(lab, mapper) as stage, Load(served, stage) as load, Verdict(served, stage) as verdict:
        stage.wait(seconds)
    assert verdict.wrong == []
    assert load.failures == []
    size = served.resident()
    print(f"\n{seconds} s, {stage.containers} containers, {stage.moves // 2} changes, then {size >> 10} kB, "
          f"{served.held()}"
          f"\n  statuses {dict(load.statuses)}\n  told {dict(load.told)}\n  compared {dict(verdict.counts)}")
    return size, verdict.counts, load.told


def at_rest(served: Daemon) -> Held:
    """Return what it holds when nobody asks: threads that had nothing to do for ten seconds end when one is needed."""
    def rests() -> bool:
        return served.answer("/v1/processes/1").status in {200, 404} and served.held().threads <= AT_REST
    if LONG:
        until(rests)
    return served.held()


def test_it_bears_two_minutes_of_everything_at_once(lab, mapper, tmp_path, capsys):
    with daemon(tmp_path, "--watch-interval=0.2") as served, capsys.disabled():
        soaked(served, lab, mapper, WARM)
        before = at_rest(served)
        first, _, _ = soaked(served, lab, mapper, MINUTE)
        last, compared, told = soaked(served, lab, mapper, MINUTE)
        served.gives_back(before)
        if not LONG:
            missing("soak", "two minutes are for the group soak")
        assert at_rest(served).threads == before.threads
        # The connection of the last question is closed by now, or is about to be.
        served.gives_back(before)
        assert last < first * GROWTH
        assert {f"{kind} calm" for kind in ASKED} <= compared.keys()
        assert {"copied-up", "replaced", "deleted", "seen", "gone"} <= told.keys()
