"""Random layers, mounted: what open() reads through the overlay against the names that `mapsd translate` gives."""

import json
import os
import tempfile
from pathlib import Path

import pytest

from mapsd import Session
from mapsd.model.translated import Name, OnHost
from mapsd.views.translationjson import translation_object
from tests.layerschemas import valid
from tests.overlay.test_lookup_oracle import PATHS, VARIANTS, drawn_for, read
from tests.overlay.test_which_oracle import mounted
from tests.overlay.translating import regular, told

TREES = 40  # for each of the variants


def wrong(session: Session, base: Path, file: Path, truth: dict[bytes, set[str]]) -> list[str]:
    """Return what is said wrongly of one file of a layer, whose bytes are its own name."""
    found = session.translate(OnHost(os.fsencode(file)), os.getpid())
    valid("translate", json.loads(json.dumps(translation_object(found))))
    [view] = found.views
    said = tuple(name for name in view.names if below(base, name) is not None)
    seen = {below(base, name) for name in said if name.what == "visible"}
    data = file.read_bytes()
    really = truth.get(data, set())
    # By a redirect a name may be longer than those of PATHS.
    errors = [f"{file} is not {path}: {told(said)}" for path in seen - really
              if data and read(base / "m" / path) != data]
    if really - seen and not any(name.what == "unknown" for name in said):
        errors.append(f"{file} is {really}, not {seen}: {told(said)}, {view.skipped}")
    return errors


def below(base: Path, name: Name) -> str | None:
    if name.user_path is None:
        return ""
    path = os.fsdecode(name.user_path)
    return path.removeprefix(f"{base}/m/") if path.startswith(f"{base}/m/") else None


@pytest.mark.parametrize("name", VARIANTS)
def test_the_names_of_a_file_are_those_that_open_it(lab, name):
    variant = VARIANTS[name]

    @drawn_for(variant, TREES)
    def compare(drawn: list[dict]) -> None:
        base = Path(tempfile.mkdtemp(dir=lab))
        with mounted(base, variant, drawn), Session() as session:
            truth: dict[bytes, set[str]] = {}
            for path in PATHS:
                data = read(base / "m" / path)
                if data:
                    truth.setdefault(data, set()).add(path)
            layers = [where for where in base.iterdir() if where.name.isdigit()]
            assert not [error for layer in layers for file in regular(layer)
                        for error in wrong(session, base, file, truth)]
    compare()
