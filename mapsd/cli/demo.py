"""`mapsd demo`: a container of mapsd's own in which libraries are copied up, and what everybody says of it."""

from mapsd.cli.command import Asked, Command
from mapsd.cli.output import DENIED, FAILED, FOUND, complain
from mapsd.errors import NoContainer

COMMAND = Command(
    "demo", "",
    "The idea in ten seconds, without root: a container of mapsd's own, in a user namespace, whose process maps two "
    "libraries that are then copied up. Before and after, what maps, map_files and lsof say of the mapping, what "
    "memory really holds, and what mapsd says.\n\n"
    "The layers are files of yours in a new directory (in TMPDIR, XDG_RUNTIME_DIR, /tmp, /dev/shm or /var/tmp). It is "
    "removed at the end, and the process ends with this one, also where this one is killed.",
    (), ((0, "shown"), (3, "the container is forbidden"), (70, "it cannot be made, was ended, or not written")))


def run(_: Asked) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what stood in the way is said on stderr."""
    from mapsd import demo  # noqa: PLC0415  (--help needs no machine)
    from mapsd.views import demotext  # noqa: PLC0415  (--help needs no machine)
    try:
        return FOUND, list(demotext.lines(demo.played()))
    except NoContainer as error:
        complain(str(error))
        return DENIED if error.denied else FAILED, []
