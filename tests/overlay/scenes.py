"""A scene: layers, an overlay over them, a process that maps its files, and what is true of every mapping."""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.overlay import kernel
from tests.overlay.files import fill, identity, pass_tick
from tests.overlay.target import PAGE, Target


@dataclass
class Layer:
    """One layer: *path* is where this process opens it now, None where it does not; *fd* is the directory itself."""

    role: str
    index: int
    path: Path | None
    identity: tuple[str, int] = ("", 0)
    fd: int = -1


@dataclass
class Claim:
    """What is true of one mapping. *path* is the user path, *below* the file's name in its layer now."""

    about: str
    address: int
    layer: Layer
    below: str
    identity: tuple[str, int]
    held: bytes
    page: int
    present: bool
    path: str | None
    state: str = "current"
    gone: bool = False
    metadata: tuple[str, int] | None = None
    through: Sequence[tuple[str, int]] = field(default_factory=tuple)

    def where(self) -> Path | None:
        """Return where this process opens the file that the mapping holds."""
        return None if self.gone or self.layer.path is None else self.layer.path / self.below


class Scene:
    """One overlay, or several, and one process."""

    def __init__(self, name: str, lab: Path, mapper: Path) -> None:
        self.name, self.mapper = name, mapper
        self.base = Path(tempfile.mkdtemp(dir=lab))
        self.base.chmod(0o755)
        self.merged = self.base / "merged"
        self.merged.mkdir()
        self.layers: list[Layer] = []
        self.claims: list[Claim] = []
        self.stack = ExitStack()
        self.root = ""
        self.metacopy = False
        self.target: Target
        self.top: Layer
        # Where the scene's files are, the files that hold only their metadata, and the overlays in between.
        self.sources: list[Layer] = []
        self.marked: Layer | None = None
        self.middles: list[Path] = []
        self.below: Callable[[str], str] = lambda name: name
        self.act: Callable[[Callable[[], object]], object] = lambda work: work()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def lower(self, path: Path, role: str = "lower") -> Layer:
        """Add the next layer below the others."""
        path.mkdir(parents=True, exist_ok=True)
        index = max((layer.index for layer in self.layers), default=0) + 1
        self.layers.append(Layer(role, index, path))
        self.sources.append(self.layers[-1])
        return self.layers[-1]

    def upper(self, path: Path) -> Layer:
        """Add the upper layer; its work directory is beside it."""
        for made in (path, path.with_name(path.name + "-work")):
            made.mkdir(parents=True, exist_ok=True)
        self.top = Layer("upper", 0, path)
        self.layers.append(self.top)
        return self.top

    def fill(self, layer: Layer, *names: str) -> None:
        """Write files into a layer."""
        for name in names:
            fill(layer.path / name, f"{self.name} {layer.role} {layer.index} {name}")

    def options(self) -> str:
        """Return the mount options that name the layers."""
        named = {role: [str(layer.path) for layer in sorted(self.layers, key=lambda each: each.index)
                        if layer.role == role] for role in ("upper", "lower", "data")}
        text = f"lowerdir={':'.join(named['lower'])}" + "".join(f"::{path}" for path in named["data"])
        if named["upper"]:
            text += f",upperdir={named['upper'][0]},workdir={named['upper'][0]}-work"
        return text

    def mount(self, more: str = "", options: str | None = None) -> None:
        """Mount the overlay for the time of the scene."""
        self.settle()
        self.metacopy = "metacopy=on" in more
        kernel.mount("overlay", self.merged, "overlay", 0, (self.options() if options is None else options) + more)
        self.stack.callback(gone, self.merged)

    def immovable(self) -> None:
        """Let what is mounted for the scene lie on a shared mount, as on most machines: none of it can be moved."""
        kernel.mount(self.base, self.base, None, kernel.MS_BIND)
        self.stack.callback(gone, self.base)
        kernel.mount("none", self.base, None, kernel.MS_SHARED)

    def settle(self) -> None:
        """Note which directory each layer is; the overlay will be younger than what lies in them."""
        for layer in self.layers:
            if layer.fd < 0:
                layer.identity, layer.fd = identity(layer.path), os.open(layer.path, os.O_PATH)
                self.stack.callback(os.close, layer.fd)
        pass_tick(self.base)

    def start(self, *before: object, pass_fds: Sequence[int] = ()) -> Target:
        """Start the process in the mount namespace and root of this test."""
        self.target = self.stack.enter_context(Target(self.mapper, *before, pass_fds=pass_fds))
        return self.target

    def real(self, layer: Layer, below: str) -> Path:
        """Return the file of a layer, whatever became of the layer's name."""
        return Path(f"/proc/self/fd/{layer.fd}/{below}")

    def contain(self) -> None:
        """Give the process a mount namespace whose root is the overlay, with /proc."""
        self.target.ask("newns")
        self.target.ask("bind", Path("/proc"), self.merged / "proc")
        self.target.ask("pivot", self.merged)
        self.root = str(self.merged)

    def named(self, name: str) -> str:
        """Return what the process calls a file of the overlay."""
        return f"{self.merged}/{name}".removeprefix(self.root)

    def reach(self, name: str) -> Path:
        """Return how this test reaches the same file."""
        return Path(f"{self.target.proc()}/root{self.named(name)}")

    def map(self, name: str, layer: Layer, mode: str = "s", *, below: str | None = None, page: int = 0,
            state: str = "current", about: str = "") -> Claim:
        """Map a file that is held by *below* in *layer* at this moment."""
        address = self.target.map(Path(self.named(name)), mode, page)
        if below is None:
            below = self.below(name) if layer in self.sources else name
        made = self.claim(address, layer, below, f"{about or name} ({mode})", page, self.named(name),
                          present=mode in "spw", state=state)
        if layer in self.sources:
            made.metadata = identity(self.real(self.marked, below)) if self.marked else None
            made.through = [identity(middle / below) for middle in self.middles]
        return made

    def claim(self, address: int, layer: Layer, below: str, about: str, page: int, path: str | None, *,
              present: bool = True, state: str = "current") -> Claim:
        """Note what is true of a mapping, and that the process really holds it."""
        real = self.real(layer, below)
        held = real.read_bytes()[page * PAGE:][:PAGE]
        made = Claim(about, address, layer, below, identity(real), held, page, present, path, state)
        memory = self.target.memory(address)
        assert memory == held, f"the scene is wrong: {about} holds {memory[:60]!r}, not {held[:60]!r}"
        self.claims.append(made)
        return made


def gone(path: Path) -> None:
    """Unmount, also what has left the namespace meanwhile."""
    try:
        kernel.umount(path, kernel.MNT_DETACH)
    except OSError:
        # A test that unmounts has nothing left to give back.
        return
