"""Processes that hold files open, and what is true of each descriptor: which layer's bytes its owner reads."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.fds import answered
from tests.overlay import battery, census
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
from tests.overlay.inside import Opened, opened, within
from tests.overlay.scenes import Claim, Scene
from tests.overlay.target import PAGE, Target
from tests.overlay.truth import compare, scene_is_true

Lacking = Mapping[str, tuple[int, ...]]
PROOFS = ("page-frame", "bpf")


class Opener(Target):
    """A mapper that opens instead: what a scene maps is a descriptor, what it has in memory is what it reads."""

    def __init__(self, program: Path, *before: object, pass_fds: Sequence[int] = ()) -> None:
        super().__init__(program, *before, pass_fds=pass_fds)
        self._pages: dict[int, int] = {}

    def map(self, path: Path | bytes, mode: str = "s", page: int = 0, pages: int = 1) -> int:
        """Return the number of a new descriptor, of which *page* is looked at."""
        del pages
        number = self.open(path, os.O_RDWR if mode == "w" else os.O_RDONLY)
        self._pages[number] = page
        return number

    def open(self, path: Path | bytes, flags: int = os.O_RDONLY) -> int:
        """Return the number of a new descriptor."""
        return self.ask("open", flags, path)

    def ask(self, command: str, *arguments: object) -> int:
        """Ask; a descriptor that was passed in is the process's own already."""
        return int(arguments[1]) if command == "fdmap" else super().ask(command, *arguments)

    def memory(self, address: int, length: int = PAGE) -> bytes:
        """Return what the process itself reads through a descriptor: the oracle."""
        return super().memory(self.ask("read", address, self._pages.get(address, 0)), length)


class Opening:
    """A scene whose process opens files."""

    def start(self: Scene, *before: object, pass_fds: Sequence[int] = ()) -> Opener:
        self.name = f"fds, {self.name}"
        self.target = self.stack.enter_context(Opener(self.mapper, *before, pass_fds=pass_fds))
        return self.target


class OpenScene(Opening, Scene):
    """The plain kind."""


def happen(scene: Scene, which: str, **how: bool) -> None:
    """Open the files of one round, do what is done to them, open them again, and note what each descriptor reads."""
    battery.happen(scene, which, **how)
    for claim in scene.claims:
        _read_now(scene, claim)


def by_number(answer: dict) -> dict[int, dict]:
    return {file["fd"]: file for file in answer["open_files"] if isinstance(file["fd"], int)}


def asked(pid: int, proof: str = "auto", numbers: tuple[int, ...] = ()) -> dict[int, dict]:
    """Return mapsd's answer by number, as JSON that keeps the contract, asked without some capabilities."""
    if not numbers:
        return by_number(answered(pid, proof))
    return by_number(told(lambda: drop(numbers) or answered(pid, proof)))


def check(scene: Scene, *, inside: bool = False, user: bool = False, lacking: Lacking = LACKING) -> None:
    """Ask as every observer, also without the capabilities *lacking*; fail with every answer that is wrong."""
    for claim in scene.claims:
        _read_now(scene, claim)
    scene_is_true(scene)
    pid = scene.target.pid
    said = {census.ROOT: asked(pid)}
    said |= {f"{proof}, outside": asked(pid, proof) for proof in PROOFS}
    said |= {f"{name}, outside": asked(pid, numbers=numbers) for name, numbers in lacking.items()}
    if inside:
        sets = {"root": (), **lacking}
        said |= {f"{name}, inside": _inside(pid, numbers, user=user) for name, numbers in sets.items()}
    wrong = _poked(scene, said)
    for observer, found in said.items():
        wrong += compare(scene, observer, found, _look(scene, user=user) if observer.endswith("inside") else opened)
    assert not wrong, "\n".join(["", *wrong])


def _look(scene: Scene, *, user: bool) -> Callable[[list[str]], Opened]:
    return lambda paths: {path: one and tuple(one) for path, one in
                          within(scene.target.pid, lambda: opened(paths), user=user).items()}


def _poked(scene: Scene, said: dict[str, dict[int, dict]]) -> list[str]:
    """Return every answer that names a file whose change the owner does not read.

    With nfs_export=on a lower file is copied up when it is deleted while it is open: what the scene says of a mapping
    of it is then not true of a descriptor.
    """
    wrong, kept = [], []
    for claim in scene.claims:
        if claim.where() is None or _reads(scene, claim):
            kept.append(claim)
            continue
        assert claim.state in {"deleted", "replaced"}, f"the scene is wrong: {claim}"
        for observer, found in said.items():
            answer = found[claim.address]
            backing = answer["backing"] or {"path": None, "layer": {"role": "upper"}}
            if (answer["state"], backing["path"], backing["layer"]["role"]) != (claim.state, None, "upper"):
                wrong.append(f"{scene.name} / {observer} / {claim.about}: WRONG, it reads a copy: {answer}")
    scene.claims = kept
    return wrong


def _reads(scene: Scene, claim: Claim) -> bool:
    """Return whether the owner reads a change of the file that the claim names; True where it cannot be changed."""
    if os.statvfs(claim.where()).f_flag & os.ST_RDONLY:
        return True
    at = (claim.page + 1) * PAGE - 1
    with claim.where().open("r+b", 0) as file:
        before = os.pread(file.fileno(), 1, at)
        os.pwrite(file.fileno(), b"!", at)
        seen = scene.target.memory(claim.address)
        os.pwrite(file.fileno(), before, at)
    assert scene.target.memory(claim.address) == claim.held
    return seen == claim.held[:-1] + b"!"


def _inside(pid: int, numbers: tuple[int, ...], *, user: bool) -> dict[int, dict]:
    def work() -> dict:
        if numbers:
            drop(numbers)
        return answered(pid)
    return by_number(within(pid, work, user=user))


def _read_now(scene: Scene, claim: Claim) -> None:
    """Turn what is true of a mapping into what is true of a descriptor: it reads the copy, once there is one."""
    held = scene.target.memory(claim.address)
    if claim.state != "copied-up" and held == claim.held:
        return
    # The scene has opened the copy as well: by the same name, or by another link's.
    copies = [one for one in scene.claims if one is not claim and one.layer is scene.top]
    twin = next(one for one in copies if one.path == claim.path or one.held == held)
    claim.layer, claim.below, claim.identity, claim.held = twin.layer, twin.below, twin.identity, held
    claim.gone, claim.metadata, claim.through = twin.gone, twin.metadata, twin.through
    claim.state = "current" if claim.state == "copied-up" else claim.state
    there = held if claim.gone else claim.where().read_bytes()[claim.page * PAGE:][:PAGE]
    assert there == held, f"the scene is wrong: {claim.about} reads what is not in the upper layer"
