"""`mapsd layers PID`: the overlays that a process sees, and their layers; those of a container or image of a disk."""

import os

import mapsd
from mapsd.cli.arguments import pid
from mapsd.cli.command import FROM, JSON, MACHINE, NO_DAEMON, ROOT, ROOT_ALONE, Asked, Command, machine
from mapsd.cli.output import FOUND, NOTHING, complain
from mapsd.errors import UsageError
from mapsd.light import TYPE_CHECKING, Callable
from mapsd.model import Host

if TYPE_CHECKING:
    from mapsd.model.layers import ProcessLayers

COMMAND = Command(
    "layers", "PID|CONTAINER|IMAGE|self",
    "The overlays that a process sees, in the order of its mount table: their options in words, and their layers in "
    "the order of lookup: upper:0, then the lowers from the topmost down, then the data-only layers. For each layer "
    "the directory that it is, as the observer names it, and what stands in the way where it cannot be found or "
    "reached. A layer is certain where the overlay itself names a file of this very directory: a text alone may name "
    "another one since the mount. An option in parentheses is not printed by the kernel.\n\n"
    "With --root the layers of a container that does not run, in the same order: which of its image's they are, and "
    "the step of the image's history that made each. There an operand that is no container is an image (`image:NAME` "
    "in any case), whose layers are listed from the base up: see `mapsd images --help`.",
    (JSON, *MACHINE, FROM, ROOT),
    ((0, "found"), (1, "no such process, or it sees no overlay"), (3, "the process may not be read"),
     (4, "the process exited meanwhile"), NO_DAEMON, (70, "not answered or not written")), ROOT_ALONE)
Ask = Callable[[int], "ProcessLayers"]


def run(asked: Asked, ask: Ask | None = None) -> tuple[int, list[str]]:
    """Return the exit status and the lines to print; what is missing is said on stderr."""
    if len(asked.operands) != 1:
        raise UsageError("one PID is needed (see mapsd layers --help)")
    host = machine(asked)
    process = pid(asked.operands[0], host)
    found = ask(process) if ask else _asked(process, host)
    for mount in found.unions:
        complain(f"{process}: {os.fsdecode(mount.mount_point)!r} is merged by a server ({os.fsdecode(mount.fs_type)}), "
                 "not by the kernel: its layers are not known")
    if not found.overlays:
        complain(f"{process}: sees no overlay")
    return FOUND if found.overlays else NOTHING, _lines(found, asked.flags)


def _asked(process: int, host: Host) -> "ProcessLayers":
    with mapsd.Session("lookup", host) as session:
        return session.layers(process, contained=True)


def _lines(found: "ProcessLayers", flags: frozenset[str]) -> list[str]:
    if "json" in flags:
        import json  # noqa: PLC0415  (9 ms that the text does not need)

        from mapsd.views.overlayjson import layers_object  # noqa: PLC0415
        return [json.dumps(layers_object(found), indent=1)]
    from mapsd.views.overlaytext import layers_lines  # noqa: PLC0415
    return list(layers_lines(found))
