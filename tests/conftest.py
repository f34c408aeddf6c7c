"""What every test shares."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No examples are kept: a checkout that another user owns is not written to. How long an example takes, and how many are
# drawn in vain, depends on the machine and on chance.
settings.register_profile("mapsd", database=None, deadline=None,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
settings.load_profile("mapsd")

# A run in the background ignores these (nohup, `&`), and what it starts would ignore them as well.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL),
                      (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

REQUIRED = set(filter(None, os.environ.get("MAPSD_REQUIRE", "").split(",")))


def missing(group: str, why: str) -> None:
    """Skip, or fail where the group is required: a green run must not come from skipping."""
    if group in REQUIRED:
        pytest.fail(f"{group} is required: {why}")
    pytest.skip(why)


def shown_to_all(directory: Path) -> None:
    """Let every user into a test's own directory. What others may search already is not ours to change: /tmp, say."""
    for path in (directory, *directory.parents):
        mode = path.stat().st_mode
        if not mode & 0o001:
            path.chmod(mode & 0o7777 | 0o055)


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0:
        missing("root", "needs root to mount overlays")


@pytest.fixture(scope="session")
def checkout() -> Path:
    return Path(__file__).resolve().parent.parent
