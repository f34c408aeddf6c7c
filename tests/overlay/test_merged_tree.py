"""A tree of layers that are asked without a mount has what the mounted overlay has: every name, link and byte."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapsd.answer.reading import read, scene
from mapsd.linux.live import Live
from mapsd.linux.tree import Files, tree_at
from mapsd.model import Absent, FileFacts, Layer, Refused
from mapsd.resolve import mergedtree
from mapsd.resolve.merged import Merged
from mapsd.resolve.mergedtree import MergedTree
from mapsd.resolve.opened import remembering
from mapsd.resolve.overlays import build
from tests.overlay.scenes import Scene


@pytest.fixture
def made(base: Path, mapper: Path) -> Iterator[Scene]:
    """An overlay in which things were removed, replaced, renamed and linked."""
    with Scene("tree", base, mapper) as found:
        found.upper(found.base / "upper")
        top, low = found.lower(found.base / "top"), found.lower(found.base / "low")
        found.fill(top, "d/both", "d/sub/top", "only/top", "libs/x")
        found.fill(low, "d/both", "d/low", "d/gone", "e/f", "e/g", "moved/a", "moved/b", "kept", "lib/y")
        (low.path / "to-lib").symlink_to("/lib")
        (top.path / "d/up").symlink_to("../../../e")
        (low.path / "circle").symlink_to("circle")
        (low.path / "pipe").parent.mkdir(exist_ok=True)
        os.mkfifo(low.path / "pipe")
        found.mount(",redirect_dir=on,metacopy=on")
        merged = found.merged
        (merged / "d/gone").unlink()
        (merged / "e/g").unlink()
        (merged / "e/f").unlink()
        (merged / "e").rmdir()
        (merged / "e").mkdir()
        (merged / "e/new").write_text("new")
        (merged / "moved").rename(merged / "here")
        (merged / "kept").chmod(0o600)
        (merged / "here/a").rename(merged / "here/c")
        found.start()
        yield found


@pytest.fixture
def both(made: Scene) -> Iterator[tuple[MergedTree, Files]]:
    seen = Live()(made.target.pid)
    attempt = seen.attempt()
    mounted = tree_at(os.fsencode(made.merged), os.open)
    assert isinstance(mounted, Files)
    try:
        around = scene(seen, read(seen.process), attempt.machine)
        mount = next(one for one in around.table.all if one.mount_point == os.fsencode(made.merged))
        overlay, contents = build(mount, around), attempt.machine.contents()

        def link(layer: Layer, path: bytes) -> bytes | Refused:
            assert layer.dir is not None
            found = contents.link(layer.dir, path)
            assert not isinstance(found, Absent)
            return found
        merged = Merged(overlay.layers, remembering(overlay, around), link)
        yield MergedTree(merged, contents), mounted
    finally:
        mounted.close()
        attempt.close()
        seen.close()


def paths(root: Path) -> Iterator[bytes]:
    for directory, directories, files in os.walk(root):
        for name in (*directories, *files, "absent", ".", ".."):
            yield os.fsencode(str(Path(directory) / name)).removeprefix(os.fsencode(root)).lstrip(b"/")


MORE = [b"", b"/", b"to-lib/y", b"to-lib/../lib/y", b"d/up/new", b"d/up/f", b"circle/x", b"d/both/x", b"../../lib/y",
        b"a\0b", b"x" * 300, b"d//sub/./top"]


def test_every_name_is_what_the_mount_has(made: Scene, both: tuple[MergedTree, Files]):
    layers, mounted = both
    asked = [*paths(made.merged), *MORE]
    assert len(asked) > 40
    for path in asked:
        one, other = layers.entry(path), mounted.entry(path)
        if isinstance(other, FileFacts):
            assert isinstance(one, FileFacts), (path, one)
            assert (one.kind, one.size if one.kind == "file" else 0) == (
                other.kind, other.size if other.kind == "file" else 0), path
        else:
            assert type(one) is type(other), (path, one, other)
        assert alike(layers.listed(path), mounted.listed(path)), path
        assert alike(layers.link(path), mounted.link(path)), path
        assert alike(layers.read(path, 1 << 20), mounted.read(path, 1 << 20)), path
        assert alike(layers.read(path, 2), mounted.read(path, 2)), path
        assert alike(layers.head(path, 5), mounted.head(path, 5)), path


def alike(one: object, other: object) -> bool:
    """Return whether two answers are one; why something is refused may be said in other words."""
    return isinstance(one, Refused) if isinstance(other, Refused) else one == other


def test_too_many_names_are_refused(both: tuple[MergedTree, Files], monkeypatch):
    monkeypatch.setattr(mergedtree, "MANY", 3)
    assert isinstance(both[0].listed(b"d"), Refused)
    assert both[0].listed(b"e") == [b"new"]
