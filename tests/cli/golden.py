"""Outputs that are kept: MAPSD_GOLDEN=write keeps them anew, and the difference is for review."""

import os
from pathlib import Path

_KEPT = Path(__file__).resolve().parents[1] / "golden"


def golden(name: str, text: str) -> None:
    """Compare a text with tests/golden/NAME.txt."""
    path = _KEPT / f"{name}.txt"
    if os.environ.get("MAPSD_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
