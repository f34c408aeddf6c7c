"""The disk of a dead host: its images and containers, their layers, and which layer's file a name of theirs opens."""

import errno
import os
import time

from mapsd.answer.stored import Opened, unseen, which
from mapsd.engines import images
from mapsd.engines.listing import containers
from mapsd.engines.naming import images_named, named
from mapsd.engines.shelves import shared, shelves
from mapsd.engines.stacks import stacked
from mapsd.engines.stores import Trees, image_layers
from mapsd.errors import AccessDenied, NoHost, NotOnDisk, StackUnknown, UsageError
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.linux import capabilities
from mapsd.linux.disk import DiskFiles
from mapsd.linux.tree import Files
from mapsd.model import Absent, Refused
from mapsd.model.containers import Container, Containers, ImageLayer, ImageLayers, Running, Unidentified
from mapsd.model.disks import Image, Images, PlacedLayer, PlacedLayers, StoredImage, StoredLayers, StoredWhich

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from mapsd.sources import Tree


class Disk:
    """A mounted disk, or the unpacked tree of a store; close() it, or use it in a `with` block.

    Nothing on it is written or mounted, no link leads out of it, and no access time changes. What was read of a store
    is kept until it is closed.
    """

    def __init__(self, root: bytes) -> None:
        """Take the directory that was the host's root, or a part of it. Raises NoHost, AccessDenied."""
        try:
            self._files = DiskFiles(root)
        except OSError as error:
            if error.errno == errno.EACCES:
                raise AccessDenied(os.fsdecode(root), "CAP_DAC_READ_SEARCH") from error
            raise NoHost(root, error.strerror or str(error)) from error
        self._trees = Trees(self._files.tree)
        self._known: list[tuple[bytes, Container | Unidentified]] | None = None
        self._images: list[tuple[bytes, Image | Unidentified]] | None = None
        self._kept: dict[tuple[bytes | None, str], bool] = {}

    def __enter__(self) -> "Self":
        """Return the disk itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: "TracebackType | None") -> None:
        """Close the disk."""
        self.close()

    def close(self) -> None:
        """Give back what is held."""
        self._files.close()

    @property
    def path(self) -> bytes:
        """Return what the kernel calls the directory."""
        return self._files.path

    def stores(self) -> list[bytes]:
        """Return the directories of the engines' stores."""
        return self._named(shelves)

    def containers(self) -> Containers:
        """Return the containers of the stores: none of them has processes.

        Of a container that is spoilt it is said why; the others are answered.
        """
        listed = self._listed()
        found = tuple(Running(one, (), image_layers(one, self._trees)) for _, one in listed
                      if isinstance(one, Container))
        spoilt = tuple((os.fsdecode(store), one) for store, one in listed if isinstance(one, Unidentified))
        return Containers(found, spoilt, 0, 0, time.time())

    def images(self) -> Images:
        """Return the images of the stores, also those that no container was made from.

        Of an image that is spoilt it is said why; the others are answered.
        """
        known = self._known_images()
        made = [one for _, one in self._listed() if isinstance(one, Container)]
        found = tuple(StoredImage(one, images.image_layers(one, self._trees), users)
                      for one, users in zip(known, images.made_from(known, made), strict=True))
        spoilt = tuple((os.fsdecode(store), one) for store, one in self._listed_images()
                       if isinstance(one, Unidentified))
        return Images(found, spoilt, time.time())

    def image(self, word: str) -> Image:
        """Return the image with a name, a digest, an id or the beginning of one. Raises NotOnDisk, UsageError."""
        found = images_named(word, self._known_images())
        if not found:
            raise NotOnDisk(word, "image")
        if len(found) > 1:
            which_ones = ", ".join(f"{(one.id or '?')[:19]} in {os.fsdecode(one.store)}" for one in found)
            raise UsageError(f"several images are called {word}: {which_ones}")
        return found[0]

    def image_layers(self, image: Image) -> PlacedLayers:
        """Return the layers of an image, the base first, with why their directories cannot be opened."""
        found = images.image_layers(image, self._trees)
        return PlacedLayers(image, tuple(map(self._placed, found.layers)), found.reason, time.time())

    def _placed(self, layer: ImageLayer) -> PlacedLayer:
        if not layer.directory:
            return PlacedLayer(layer, "the store has not unpacked it, or does not say where")
        there = self._files.layer(layer.directory)
        if isinstance(there, Absent):
            return PlacedLayer(layer, "there is no such directory")
        return PlacedLayer(layer, there.reason, there.needs) if isinstance(there, Refused) else PlacedLayer(layer)

    def container(self, word: str) -> Container:
        """Return the container with a name, an id or the beginning of one. Raises NotOnDisk, UsageError (several)."""
        known = [Running(one, (), ImageLayers(())) for _, one in self._listed() if isinstance(one, Container)]
        found = [one.container for one in named(word, known)]
        if not found:
            raise NotOnDisk(word)
        if len(found) > 1:
            which_ones = ", ".join(f"{(one.id or '?')[:12]} in {os.fsdecode(one.store or b'?')}" for one in found)
            raise UsageError(f"several containers are called {word}: {which_ones}")
        return found[0]

    def layers(self, container: Container) -> StoredLayers:
        """Return a container's layers in the order of lookup. Raises StackUnknown, AccessDenied."""
        return self._opened(container).described(image_layers(container, self._trees), time.time())

    def which(self, container: Container, path: bytes) -> StoredWhich:
        """Return which layer's file an absolute path of a container opens, and what that hides.

        Raises UsageError (the path is not absolute), StackUnknown and AccessDenied (its layers are not known).
        """
        if not path.startswith(b"/") or b"\0" in path:
            raise UsageError("a path begins with / and has no zero byte: it is looked up from the container's root")
        opened = self._opened(container)
        privileged = capabilities.own()
        doubt = unseen(opened.stack.form, lambda: self._survived(opened),
                       privileged=privileged.initial and "CAP_SYS_ADMIN" in privileged.held)
        described = opened.described(image_layers(container, self._trees), time.time())
        return which(opened, path, described, doubt)

    def _opened(self, container: Container) -> Opened:
        stack = stacked(container, self._trees, self._files.owner)
        if isinstance(stack, Refused):
            if stack.needs:
                raise AccessDenied(stack.reason, stack.needs)
            raise StackUnknown(container.name or container.id or "?", stack.reason)
        return Opened(container, stack, self._files)

    def _survived(self, opened: Opened) -> bool:
        """Return whether overlay attributes were kept in a container's store: its own layers say, or another's."""
        key = opened.container.store, opened.stack.form
        if key not in self._kept:
            self._kept[key] = opened.survived() or any(map(self._is_kept, self._beside(opened)))
        return self._kept[key]

    def _beside(self, opened: Opened) -> list[Container]:
        store, itself = opened.container.store, opened.container
        return [one for there, one in self._listed()
                if isinstance(one, Container) and one != itself and store == there]

    def _is_kept(self, container: Container) -> bool:
        stack = stacked(container, self._trees, self._files.owner)
        return not isinstance(stack, Refused) and Opened(container, stack, self._files).survived()

    def _listed(self) -> list[tuple[bytes, Container | Unidentified]]:
        if self._known is None:
            further = self._named(shared)
            self._known = [(store, one) for store in self.stores() for one in containers(
                store, self._trees, [other for other in further if other != store])]
        return self._known

    def _known_images(self) -> list[Image]:
        return [one for _, one in self._listed_images() if isinstance(one, Image)]

    def _listed_images(self) -> list[tuple[bytes, Image | Unidentified]]:
        if self._images is None:
            further = self._named(shared)
            stores = dict.fromkeys((*self.stores(), *further))
            self._images = [(store, one) for store in stores for one in images.images(
                store, self._trees, [other for other in further if other != store])]
        return self._images

    def _named(self, places: "Callable[[Tree], list[bytes]]") -> list[bytes]:
        tree = self._files.tree(self._files.path)
        found = map(self._files.named, places(tree) if isinstance(tree, Files) else ())
        return list(dict.fromkeys(one for one in found if isinstance(one, bytes)))
