"""The page about the client says what there is, and its example runs as it stands."""

import subprocess
import sys

from mapsd.cli.__main__ import ITSELF
from mapsd.cli.through import READING
from mapsd.remote import RemoteSession
from mapsd.remote.bounded import Bounds
from mapsd.remote.endpoint import CONNECT
from mapsd.remote.session import PATIENCE
from tests.cli.command import BOUND, CHECKOUT

PAGE = (CHECKOUT / "docs/client.md").read_text()


def test_the_example_runs():
    [example] = [part.split("```")[0] for part in PAGE.split("```python\n")[1:]]
    done = subprocess.run([sys.executable, "-c", example], cwd=CHECKOUT, capture_output=True, text=True, check=False,
                          timeout=BOUND)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "the daemon at /run/mapsd/none.sock cannot be asked: No such file or directory\n"


def test_every_option_command_question_and_bound_is_named():
    assert [name for option in ITSELF.options if option.value for name in option.names if f"`{name}`" not in PAGE] == []
    assert [name for name in READING if f"`{name}`" not in PAGE] == []
    assert [name for name in vars(RemoteSession) if not name.startswith("_") and name != "close"
            and f"`{name}`" not in PAGE] == []
    bounds = Bounds()
    said = f"{CONNECT:g} seconds", f"{PATIENCE:g} seconds", f"{bounds.silence:g} seconds", f"{bounds.whole:g} seconds"
    assert [bound for bound in (*said, f"{bounds.size >> 20} MiB") if bound not in PAGE] == []
