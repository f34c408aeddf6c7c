"""What the page for embedders shows is run as it stands; what it calls the interface is pinned."""

import subprocess
import sys
from pathlib import Path

import pytest

import mapsd
from mapsd import errors

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE = (CHECKOUT / "docs/embedding.md").read_text()
EXAMPLES = [part.split("```")[0] for part in PAGE.split("```python\n")[1:]]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[4][:30])
def test_an_example_for_embedders_runs(example):
    done = subprocess.run([sys.executable, "-c", example], cwd=CHECKOUT, capture_output=True, text=True, check=False,
                          timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or "def opened" in example


def test_there_is_an_example_of_every_way_to_ask_that_the_page_names():
    assert len(EXAMPLES) == 4
    assert all(any(f"mapsd.{name}" in example for example in EXAMPLES) for name in ("lookup", "Session"))


def test_the_interface_is_what_the_page_says():
    assert sorted(mapsd.__all__) == ["Disk", "Session", "__version__", "doctor", "explain", "extract", "fds", "host",
                                     "layers", "lookup", "translate", "which"]


def test_the_page_of_failures_has_each_of_them():
    page = (CHECKOUT / "docs/errors.md").read_text()
    failures = {name for name, one in vars(errors).items() if isinstance(one, type)}
    shown = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert shown == failures - {"MapsdError", "NoSuchThread"}
