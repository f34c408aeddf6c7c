"""docs/kernels.md is what mapsd answers of the recorded kernels."""

from tests.cli.command import CHECKOUT
from tests.recording.page import page


def test_the_page_about_kernels_is_what_is_answered_now():
    assert (CHECKOUT / "docs/kernels.md").read_text() == page(), "bin/build-kernels makes it anew"
