"""Debian's newest kernels, booted: the packed mapsd and the overlay scenes are run in each, and no answer is wrong."""

import pytest

from tests.conftest import REQUIRED, missing
from tests.kernels.running import lacking, running
from tests.kernels.scenes import EVERY, NEEDS
from tests.kernels.verdict import faults, table

# Linux 5.10, 6.1, 6.12, and the newest that there is.
SUITES = ("bullseye", "bookworm", "trixie", "trixie-backports")
tables: dict[str, str] = {}


@pytest.fixture(scope="session")
def kernels(request, tmp_path_factory):
    """What becomes of each kernel that a test asks for; they are booted in this order, two at a time."""
    if "kernels" not in REQUIRED:
        missing("kernels", "takes minutes: MAPSD_REQUIRE=kernels boots kernels")
    if why := lacking():
        missing("kernels", why)
    wanted = {item.callspec.params["suite"] for item in request.session.items if "kernels" in item.fixturenames}
    with running([suite for suite in SUITES if suite in wanted], EVERY, tmp_path_factory.mktemp("kernels")) as futures:
        yield futures


@pytest.mark.parametrize("suite", SUITES)
def test_no_answer_is_wrong_in_the_newest_kernel_of(suite, kernels):
    booted = kernels[suite].result()
    tables[suite] = table(booted)
    found = faults(booted, NEEDS)
    if suite == SUITES[-1] and not found:
        found = [f"{scene}: the newest kernel lacks {need}" for scene, need in NEEDS.items()
                 if need and not booted.facts[need]]
    assert not found, "\n".join([f"{booted.release}:", *found])
