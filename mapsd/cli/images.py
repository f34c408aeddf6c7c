"""`mapsd images --root DIR`: the images of a disk."""

from mapsd.cli.command import JSON, ROOT, Asked, Command, Option
from mapsd.errors import UsageError

COMMAND = Command(
    "images", "",
    "The images in the stores of a disk, as the files of their engines tell, also those that no container was made "
    "from and those without a name: names, engine (containers/storage is Podman's, CRI-O's and Buildah's), id (the "
    "digest of the configuration), digest (of the manifest or index, which registries know it by), number of layers, "
    "the containers of the disk that are known to have been made from it, and the store. The disk of this machine is "
    "--root=/.\n\n"
    "`mapsd layers IMAGE --root=DIR` has the layers of one.",
    (Option(("-n", "--noheadings"), "no headings"), JSON, ROOT),
    ((0, "found"), (1, "no image, or none can be seen"), (3, "the disk may not be looked at"),
     (70, "not answered or not written")))


def run(_asked: Asked) -> tuple[int, list[str]]:
    """Raise UsageError: only a disk has images; see mapsd.cli.ondisk."""
    raise UsageError("a disk is needed: --root DIR, which is / for this machine's own")
