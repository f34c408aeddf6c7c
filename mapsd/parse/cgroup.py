"""/proc/PID/cgroup: a hierarchy's number, its controllers and the group's path, one line each. See cgroups(7).

In version 2 there is one line, `0::PATH`; in a hybrid both kinds. Engines name their groups after containers: what a
path ends in is a hint, since whoever may make groups there may call them anything.
"""

from mapsd.errors import ParseError
from mapsd.light import NamedTuple, Sequence

_HEXADECIMAL = frozenset("0123456789abcdef")
# What engines put before an id; behind it there may be `.scope`.
_PREFIXES = (("docker-", "docker"), ("libpod-", "podman"), ("crio-", "cri-o"), ("cri-containerd-", "containerd"),
             ("nerdctl-", "containerd"), ("buildah-buildah", "buildah"))


class Group(NamedTuple):
    """One line; *path* as printed: a group that was removed has ` (deleted)` at its end."""

    hierarchy: int
    controllers: bytes
    path: bytes


class Hint(NamedTuple):
    """A container's id as its group has it, and the engine that writes it so, None where several do."""

    engine: str | None
    id: str


def parse(text: bytes) -> list[Group]:
    """Return the lines. Raises ParseError."""
    return [_line(line) for line in text.split(b"\n") if line]


def _line(line: bytes) -> Group:
    number, colon, rest = line.partition(b":")
    controllers, other, path = rest.partition(b":")
    if not (number.isdigit() and len(number) < 10 and colon and other and path.startswith(b"/")):
        raise ParseError("cgroup", line, "not a group")
    return Group(int(number), controllers, path)


def hint(groups: Sequence[Group]) -> Hint | None:
    """Return the container that the groups name, None where they name none or several."""
    found = {one for group in groups if (one := _named(group.path)) is not None}
    ids = {one.id for one in found}
    if len(ids) != 1:
        return None
    engines = {one.engine for one in found} - {None}
    return Hint(engines.pop() if len(engines) == 1 else None, ids.pop())


def _named(path: bytes) -> Hint | None:
    """Return the innermost container of a path."""
    for name in reversed(path.decode("utf-8", "replace").split("/")):
        one = _container(name)
        if one is not None:
            return one
    return None


def _container(name: str) -> Hint | None:
    # Without a slice of systemd's containerd writes SLICE:cri-containerd:ID.
    plain = name.removesuffix(".scope").rpartition(":")[2]
    for prefix, engine in _PREFIXES:
        if plain.startswith(prefix) and _is_id(plain.removeprefix(prefix)):
            return Hint(engine, plain.removeprefix(prefix))
    if _is_id(plain):
        return Hint("containerd" if ":cri-containerd:" in name else None, plain)
    if name.startswith("lxc.payload.") and len(name) > 12:
        return Hint("lxc", name.removeprefix("lxc.payload."))
    return None


def _is_id(text: str) -> bool:
    return len(text) == 64 and set(text) <= _HEXADECIMAL
