"""What `mapsd translate` says of every file of every layer, against the bytes that the process's own names open.

A name's bytes say which file it opens, and of several with the same bytes inotify(7) does; nothing here is mapsd's code
but the question.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from mapsd import Session
from mapsd.model.translated import Name, OnHost, Translation, Wanted
from mapsd.views.translationjson import translation_object
from mapsd.views.translationtext import translation_lines
from tests.layerschemas import valid
from tests.overlay.named import opened_files

SEEN = {"visible", "metadata"}


def asked(pid: int, wanted: Wanted) -> Translation:
    with Session() as session:
        found = session.translate(wanted, pid)
    valid("translate", json.loads(json.dumps(translation_object(found))))
    assert all(line.isprintable() for line in translation_lines(found))
    return found


def names(pid: int, wanted: Wanted) -> tuple[Name, ...]:
    """Return what one process calls a file."""
    [view] = asked(pid, wanted).views
    return view.names


def visible(pid: int, wanted: Wanted) -> set[str]:
    return {os.fsdecode(name.user_path) for name in names(pid, wanted) if name.what == "visible"}


def regular(top: Path) -> Iterator[Path]:
    """Yield the regular files below a directory."""
    for where, directories, files in os.walk(top):
        directories[:] = [name for name in directories if not (Path(where, name, "self")).is_symlink()]  # no procfs
        yield from (path for name in files if stat.S_ISREG((path := Path(where, name)).lstat().st_mode))


Identity = tuple[int, int]


def identity(file: Path) -> Identity:
    seen = file.stat()
    return seen.st_dev, seen.st_ino


class Truth:
    """What a process's names open, of the regular files below some of its directories."""

    def __init__(self, pid: int, files: Iterable[Path], *below: str) -> None:
        """Compare the names' bytes with those of *files* of layers."""
        self.pid, self.files = pid, list(files)
        self.names: dict[Identity, set[str]] = {}
        held: dict[bytes, dict[Identity, Path]] = {}
        for file in self.files:
            held.setdefault(file.read_bytes(), {}).setdefault(identity(file), file)
        own = {one for alike in held.values() for one in alike}
        for directory in below:
            top = Path(f"/proc/{pid}/root{directory}")
            for path in [top] if top.is_file() else regular(top):
                for one in [identity(path)] if identity(path) in own else _opens(path, held):
                    self.names.setdefault(one, set()).add("/" + str(path.relative_to(f"/proc/{pid}/root")))

    def of(self, file: Path) -> set[str]:
        return self.names.get(identity(file), set())


def _opens(path: Path, held: dict[bytes, dict[Identity, Path]]) -> list[Identity]:
    """Return which file of a layer a name of an overlay opens, nothing where nobody can open it."""
    try:
        alike = held.get(path.read_bytes(), {})
    except OSError:
        return []
    if len(alike) > 1:
        # A copy has the bytes of what it was made of.
        told_of = opened_files(path, list(alike.values()))
        alike = {one: file for one, file in alike.items() if file in told_of}
    assert len(alike) < 2, f"the scene is wrong: {path} is {alike}"
    return list(alike)


def wrong(truth: Truth, *, weak: bool = False) -> list[str]:
    """Return what is said wrongly of files of layers; *weak*: not to know is no mistake."""
    errors = []
    for file in truth.files:
        said = names(truth.pid, OnHost(os.fsencode(file)))
        seen = {os.fsdecode(name.user_path) for name in said if name.what == "visible"}
        unknown = any(name.what == "unknown" for name in said)
        missing = truth.of(file) - seen
        about = f"{file} is {sorted(truth.of(file))}: {told(said)}"
        errors += [f"WRONG: never {path}: {about}" for path in seen - truth.of(file)]
        errors += [f"WRONG: also {path}: {about}" for path in missing if not unknown]
        errors += [f"weak: {about}"] if unknown and not weak else []
    return errors


def told(said: tuple[Name, ...]) -> list[str]:
    """Return names as text: `/both hidden by copied-up`."""
    return [" ".join(filter(None, [
        os.fsdecode(one.user_path or b"-"), one.what, one.by and f"by {one.by.what}", one.reason])) for one in said]
