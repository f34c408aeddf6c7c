"""What a page of the documentation shows is run as it stands."""

import os
import subprocess
from pathlib import Path

from tests.cli.command import BOUND, CHECKOUT


def shown(page: str) -> list[str]:
    """Return the lines of a page that are indented by four blanks, outside of fences."""
    parts = (CHECKOUT / page).read_text().split("```")[::2]
    return [line[4:] for part in parts for line in part.splitlines() if line.startswith("    ")]


def commands(page: str) -> list[str]:
    """Return the commands of mapsd that a page shows."""
    return [line for line in shown(page) if line.startswith("bin/mapsd")]


def run(command: str, scratch: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a shell, which a second command keeps alive: $$ is its pid."""
    env = {**os.environ, "TMPDIR": str(scratch)}
    return subprocess.run(["sh", "-c", f"{command}\nexit $?"], cwd=CHECKOUT, env=env, capture_output=True, check=False,
                          timeout=BOUND)
