"""The observer's own view on tape: files, layers, mounts."""

from mapsd.light import Callable, Sequence
from mapsd.model import DeviceId, FileFacts, Found, Handle, LayerDir, Mount, OverlayHandle, Refused, Vma
from mapsd.model.served import Server
from mapsd.ports import ByHandle, FileRef, Namespace
from mapsd.recorder.tape import Tape
from mapsd.recording import questions
from mapsd.sources import Layers


class TapedMachine:
    """The port Machine; *about* says which entry is held (empty: questions are about mappings)."""

    def __init__(self, tape: Tape, live: Layers, about: Callable[[], str]) -> None:
        """Ask *live* through *tape*."""
        self._tape, self._live, self._about = tape, live, about

    def booted(self) -> int:
        """Return when the machine was started."""
        return self._tape.ask(questions.BOOTED, (), self._live.booted)

    def mounts(self) -> Sequence[Mount]:
        """Return the observer's mounts."""
        return self._tape.ask(questions.MOUNTS, (), lambda: tuple(self._live.mounts()))

    def mount_points(self, device: DeviceId) -> Sequence[bytes]:
        """Return where other processes' mount namespaces have a superblock mounted."""
        return self._tape.ask(questions.MOUNT_POINTS, (str(device),), lambda: tuple(self._live.mount_points(device)))

    def named(self, path: bytes) -> Found:
        """Return what *path* opens for the observer."""
        return self._tape.ask(questions.HERE_NAMED, (path,), lambda: self._live.named(path))

    def directories(self, text: bytes, bases: Sequence[bytes]) -> Sequence[LayerDir]:
        """Return the directories that a layer's text may name."""
        # Bases are only for texts that are relative.
        about = () if text.startswith(b"/") else tuple(bases)
        return self._tape.ask(questions.DIRECTORIES, (text, about), lambda: tuple(self._live.directories(text, bases)))

    def entry(self, layer: LayerDir, path: bytes, prefix: str) -> Found:
        """Return one file of a layer with its overlay attributes."""
        return self._tape.ask(questions.IN_LAYER, (layer, path, prefix), lambda: self._live.entry(layer, path, prefix))

    def search(self, layer: LayerDir, handle: Handle | None, inode: int, prefix: str) -> Sequence[
            tuple[bytes, FileFacts]]:
        """Return the files in a layer with this inode number and handle."""
        return self._tape.ask(questions.SEARCH, (layer, handle, inode, prefix),
                              lambda: tuple(self._live.search(layer, handle, inode, prefix)))

    def by_handle(self, wanted: ByHandle, prefix: str) -> Found:
        """Return the file that a handle names."""
        return self._tape.ask(questions.HANDLE_NAMED, (wanted, prefix), lambda: self._live.by_handle(wanted, prefix))

    def directory_by_handle(self, wanted: OverlayHandle) -> LayerDir | None:
        """Return the directory that a handle names."""
        return self._tape.ask(questions.HANDLE_DIRECTORY, (wanted,), lambda: self._live.directory_by_handle(wanted))

    def place_of(self, mount_id: int, ref: FileRef) -> Namespace:
        """Return which mount namespace a mount is in."""
        return self._tape.ask(questions.PLACE_OF, (self._about(), mount_id, ref),
                              lambda: self._live.place_of(mount_id, ref))

    def served_by(self, device: DeviceId) -> Sequence[Server] | Refused:
        """Return the known programs that serve a FUSE filesystem."""
        return self._tape.ask(questions.SERVED_BY, (str(device),), lambda: self._live.served_by(device))

    def again(self, vma: Vma, path: bytes) -> tuple[str, str]:
        """Return what the mapping shares with one of our own, of what *path* opens in the process's root."""
        return self._tape.ask(questions.AGAIN, (vma, path), lambda: self._live.again(vma, path))

    def default(self, switch: str) -> bool:
        """Return the overlay module's default of a switch."""
        return self._tape.ask(questions.DEFAULT, (switch,), lambda: self._live.default(switch))

    def reads_trusted(self) -> bool:
        """Return whether trusted attributes are visible."""
        return self._tape.ask(questions.TRUSTED, (), self._live.reads_trusted)

    def listed(self, layer: LayerDir, path: bytes) -> Sequence[tuple[bytes, bool]]:
        """Return some names in a directory of a layer."""
        return self._tape.ask(questions.LISTED, (layer, path), lambda: tuple(self._live.listed(layer, path)))

    def parameters(self) -> dict[str, bool]:
        """Return those switches of the overlay module that can be read."""
        def ask() -> tuple[tuple[str, bool], ...]:
            return tuple(self._live.parameters().items())
        found: tuple[tuple[str, bool], ...] = self._tape.ask(questions.PARAMETERS, (), ask)
        return dict(found)
