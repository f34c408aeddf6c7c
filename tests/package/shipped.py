"""What is shipped: the archive, the wheel and the source distribution, and the command that each of them gives."""

import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from mapsd import __version__
from tests.cli.command import BOUND, NOBODY

FORMS = ("checkout", "archive", "wheel", "sdist")
WHEEL, SDIST = f"mapsd-{__version__}-py3-none-any.whl", f"mapsd-{__version__}.tar.gz"


class Forms:
    """The shipped files in one directory."""

    def __init__(self, source: Path, where: Path) -> None:
        self.source, self.where = source, where
        self.archive, self.wheel, self.sdist = where / "mapsd.pyz", where / WHEEL, where / SDIST

    def build(self) -> "Forms":
        """Run the two commands."""
        for words in (["bin/build-pyz", self.archive], ["bin/build-dist", self.where]):
            subprocess.run([self.source / words[0], words[1]], cwd="/", check=True, stdout=subprocess.DEVNULL)
        return self

    @cached_property
    def unpacked(self) -> Path:
        """The source distribution, unpacked."""
        subprocess.run(["tar", "-C", self.where, "-xf", self.sdist], check=True)
        return self.where / f"mapsd-{__version__}"


class Python:
    """One interpreter, and the commands that it runs; *library* is where its own shared library is."""

    def __init__(self, program: Path, where: Path, forms: Forms, library: Path | None = None) -> None:
        self.program, self.where, self.forms, self.library = program, where, forms, library

    @cached_property
    def variables(self) -> dict[str, str]:
        """The whole environment of a command: a PATH whose python3 is this one."""
        folder = self.where / "bin"
        folder.mkdir()
        (folder / "python3").symlink_to(self.program)
        path = f"{folder}:/usr/bin:/bin:/usr/sbin:/sbin"
        return {"PATH": path} if self.library is None else {"PATH": path, "LD_LIBRARY_PATH": str(self.library)}

    @cached_property
    def environment(self) -> Path:
        """A virtual environment that holds the wheel and nothing else; pip is the developers'."""
        made = self.where / "venv"
        subprocess.run([self.program, "-m", "venv", "--without-pip", made], check=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", made / "bin/python"]
        subprocess.run([*pip, "install", "--quiet", "--no-index", self.forms.wheel], check=True)
        return made

    def command(self, form: str) -> list[Path]:
        """Return how a form is called."""
        match form:
            case "archive":
                return [self.forms.archive]
            case "wheel":
                return [self.environment / "bin/mapsd"]
            case "sdist":
                return [self.forms.unpacked / "bin/mapsd"]
        return [self.forms.source / "bin/mapsd"]

    def run(self, form: str, *words: object, ordinary: bool = False,
            cwd: str | Path = "/") -> subprocess.CompletedProcess[bytes]:
        """Run a form outside the checkout."""
        prefix = NOBODY if ordinary and os.geteuid() == 0 else []
        return subprocess.run([*prefix, *self.command(form), *map(str, words)], cwd=cwd, env=self.variables,
                              capture_output=True, timeout=BOUND, check=False)
