"""The page about engines."""

import subprocess
import sys

from mapsd.model.containers import Container, ImageLayer
from tests.cli.command import CHECKOUT

PAGE = (CHECKOUT / "docs/engines.md").read_text()


def test_its_example_runs():
    example = PAGE.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", example], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_it_has_what_users_are_told():
    told = set(Container._fields) - {"driver", "key", "group", "others", "reason"}
    assert {name for name in told if f"`{name}`" not in PAGE} == set()
    assert {name for name in ImageLayer._fields if f"`{name}`" not in PAGE} == set()
