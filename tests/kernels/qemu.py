"""A kernel booted on an emulated machine, and what it said."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.kernels.modules import Kernel

PROGRAM = "qemu-system-x86_64"
# Without cx16: with it 6.12.95 dies at random at cmpxchg16b in SLUB, under QEMU's emulation.
_MACHINE = ("-machine", "q35", "-accel", "tcg,tb-size=512", "-cpu", "max,-cx16", "-smp", "1", "-m", "1536",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-net", "none")
# What is slow to emulate is off: page tables of five levels, and guards against a processor's faults.
_COMMAND_LINE = "console=ttyS0 loglevel=4 panic=-1 oops=panic mitigations=off nokaslr no5lvl"


class Booted(NamedTuple):
    """What a kernel wrote to its console, what the scenes reported, how long it took (seconds), and how QEMU failed.

    *facts* and *last* are the reports before and after the scenes': None where the kernel did not come so far.
    """

    release: str
    console: str
    facts: dict | None
    scenes: list[dict]
    last: dict | None
    seconds: float
    ended: str


def boot(kernel: Kernel, archives: Sequence[Path], bound: float) -> Booted:
    """Boot a kernel with archives of files, and wait until it ends, *bound* seconds at most."""
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        with (where / "initrd").open("wb") as file:
            for archive in archives:
                with archive.open("rb") as part:
                    shutil.copyfileobj(part, file)
        words = [PROGRAM, *_MACHINE, "-serial", f"file:{where}/console", "-serial", f"file:{where}/reports",
                 "-kernel", kernel.image, "-initrd", where / "initrd", "-append", _COMMAND_LINE]
        before = time.monotonic()
        ended = _ran(words, bound)
        seconds, reports = time.monotonic() - before, _reports(_text(where / "reports"))
        facts = next(({**one, **one["facts"]} for one in reports if "facts" in one), None)
        scenes = [one for one in reports if "scene" in one]
        last = next((one for one in reports if "ended" in one), None)
        return Booted(kernel.release, _text(where / "console"), facts, scenes, last, seconds, ended)


def _ran(words: Sequence[object], bound: float) -> str:
    """Return how QEMU failed, empty where it did not."""
    with subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as process:
        try:
            said, _ = process.communicate(timeout=bound)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"it did not end within {bound:.0f} seconds"
        return "" if process.returncode == 0 else f"QEMU ended with {process.returncode}: {said}"


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""


def _reports(text: str) -> list[dict]:
    """Return the whole lines; the last one may be torn."""
    return [json.loads(line) for line in text.split("\n")[:-1]]
