"""A store of containers/storage with layers that a test writes, and the files by which its engine mounts them."""

from pathlib import Path

from tests.engines import stores

OWN = "b" * 64


def storage(base: Path, layers: int, *, program: str | None = "false", name: str = "web") -> list[Path]:
    """Write the records of one container, and return the directories of its layers, its own first.

    *program* is what the store notes of a mount program.
    """
    names = [OWN, *(f"layer{number}" for number in reversed(range(layers - 1)))]
    stores.put(base, {
        "overlay-containers/containers.json": [stores.podman(name=name, layer=OWN)],
        "overlay-layers/layers.json": [{"id": one, "parent": parent} for one, parent in
                                       zip(names, [*names[1:], ""], strict=True)],
        "overlay-images/images.json": []})
    if program is not None:
        stores.put(base, {"overlay/.has-mount-program": program})
    return linked(base / "overlay", names)


def linked(driver: Path, names: list[str]) -> list[Path]:
    """Make the directories of layers, the topmost first, each with its short name and those of the layers below."""
    for place, one in enumerate(names):
        (driver / one / "diff").mkdir(parents=True, exist_ok=True)
        (driver / one / "link").write_text(one[:26].upper())
        if names[place + 1:]:
            (driver / one / "lower").write_text(":".join(f"l/{each[:26].upper()}" for each in names[place + 1:]))
    return [driver / one / "diff" for one in names]
