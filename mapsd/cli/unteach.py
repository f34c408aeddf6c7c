"""`mapsd unteach`: remove what `mapsd teach` pinned."""

from mapsd.cli.command import Asked, Command
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.linux import teach

COMMAND = Command(
    "unteach", "", "Remove what `mapsd teach` pinned in bpffs.", (),
    ((0, "removed"), (1, "there was nothing"), (3, "not permitted"), (70, "not removed")))


def run(_: Asked) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; that there was nothing is said on stderr."""
    if teach.unteach():
        return FOUND, []
    complain("nothing was taught")
    return NOTHING, []
