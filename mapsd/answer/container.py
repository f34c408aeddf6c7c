"""The container that a process is in: read, decide, read again, until nothing changed in between.

The most reliable key is the directory that holds the upper layer of the process's root: the overlay itself names it,
and the engine's files say whose it is. What the process or its parents say of themselves only speaks against that.
"""

from mapsd.answer.reading import Reading, scene, steadily
from mapsd.answer.toplayer import SEES_ALL, lower_directories, top_layer
from mapsd.engines import lxc, runners, runtimes, stores
from mapsd.engines.documents import Unread
from mapsd.engines.place import places
from mapsd.errors import ProcessGone
from mapsd.light import TYPE_CHECKING, Sequence
from mapsd.model import Evidence, FileFacts, Mount
from mapsd.model.containers import Contained, Container, MountedElsewhere, Uncontained, Unidentified
from mapsd.parse import cgroup
from mapsd.resolve.hostpath import host_path
from mapsd.resolve.layout import root_mount
from mapsd.resolve.overlays import OVERLAY
from mapsd.resolve.scene import Place, Scene

if TYPE_CHECKING:
    from mapsd.sources import Beside, ContainedAttempt, Inhabitant, Inhabitants, Texts

_UNSTEADY = Unidentified("the process's mounts or root changed each time they were read")
_CHROOT = Uncontained("its root was changed (chroot), but it is in the machine's mount namespace")
_FUSE = b"fuse.fuse-overlayfs"
_Who = tuple[int, cgroup.Hint | None]  # a process, and the container that its control groups name
_KTHREAD = 0x200000  # PF_KTHREAD, include/linux/sched.h


def container(pid: int, thread: int | None, source: "Inhabitants", started: int | None = None) -> Contained:
    """Return the container of a process, as its leader or *thread* sees its root.

    *started* is the start time of the process that is meant, in clock ticks since boot. Raises ProcessGone,
    AccessDenied, NoHost, ParseError.
    """
    seen = source(pid, thread)
    try:
        if seen.line.flags & _KTHREAD:
            return Uncontained("it is a thread of the kernel's")
        if started not in {None, seen.line.start_time}:
            raise ProcessGone(pid, seen=True)
        found, steady = steadily(seen.process, lambda reading: _answer(seen, reading))
        return found if steady else _UNSTEADY
    finally:
        seen.close()


def _answer(seen: "Inhabitant", reading: Reading) -> Contained:
    attempt = seen.attempt()
    try:
        around = scene(seen, reading, attempt.machine)
        hint = cgroup.hint(cgroup.parse(seen.process.text("cgroup")))
        return _agreed(_identified(around, hint, attempt, seen.process), hint, seen.process.pid, attempt)
    finally:
        attempt.close()


def _agreed(found: Contained, hint: cgroup.Hint | None, pid: int, attempt: "ContainedAttempt") -> Contained:
    """Return what was found, unless the process's group or its conmon name another container."""
    if isinstance(found, Unidentified):
        return found
    if isinstance(found, Uncontained) or found.engine is None:
        # A tool may have left its container's root, or made another one inside of it.
        return found if hint is None else Unidentified(f"its control group is that of the container {hint.id}, but its "
                                                       "root is not known to be")
    if found.id is None:
        return found
    told = runners.conmon(attempt.beside().ancestors(pid)) if found.engine in {"podman", "cri-o"} else None
    if told is not None and told.id != found.id and attempt.beside().is_outside(told.runner.pid):
        return Unidentified(f"its root is that of the container {found.id}, its conmon runs {told.id}")
    if hint is None:
        return found
    if hint.id == found.id:
        return found._replace(evidence=(*found.evidence, Evidence("cgroup", "its control group has the same id")))
    return Unidentified(f"its root is that of the container {found.id}, its control group that of {hint.id}")


def _identified(around: Scene, hint: cgroup.Hint | None, attempt: "ContainedAttempt", process: "Texts") -> Contained:
    root = root_mount(around) or _listed(around)
    beside = attempt.beside()
    within = _is_same(process, beside, "ns/mnt")
    if root is None and around.root_mount is not None and within:
        return _CHROOT
    if root is None:
        return Unidentified("the mount of its root is in no mount table that can be read", (SEES_ALL,))
    here = next((mount for mount in around.host.all if mount.mount_point == b"/"), None)
    if here is not None and (here.device, here.root) == (root.device, root.root):
        return _on_machine(process, beside)
    if within:
        return _CHROOT
    if root.fs_type == OVERLAY:
        return _by_overlay(root, around, (process.pid, hint), attempt) or _otherwise(process, beside)
    if root.fs_type == _FUSE:
        return _by_server(root, process, beside)
    return _by_directory(root, around, beside) or _otherwise(process, beside)


def _listed(around: Scene) -> Mount | None:
    """Return the mount of a root that may not be looked at: a table lists what is below the root, and so one at `/`."""
    found = [mount for mount in around.table.all if mount.mount_point == b"/"] if around.root_mount is None else []
    return found[0] if len(found) == 1 else None


def _on_machine(process: "Texts", beside: "Beside") -> Contained:
    if _is_same(process, beside, "ns/pid") is False:
        return Container(None, evidence=(Evidence("namespaces", "the machine's root, in a pid namespace of its own"),))
    return Uncontained("its root is the machine's")


def _is_same(process: "Texts", beside: "Beside", link: str) -> bool | None:
    """Return whether the process is in the machine's own namespace of a kind, None where one is hidden."""
    theirs, ours = process.target(link), beside.first(link)
    return None if theirs is None or ours is None else theirs == ours


def _by_overlay(root: Mount, around: Scene, who: _Who, attempt: "ContainedAttempt") -> Contained | None:
    top = top_layer(root, around, attempt)
    if isinstance(top, Unidentified):
        return top
    beside = attempt.beside()
    if not top.proven and not _is_of_owner(top.directory, who, beside):
        return Unidentified("the user namespace that it is in is another user's than the store of its root's layer")
    lowers = [one for place in places(top.directory) for one in lower_directories(root, place.store, around)]
    detail = Evidence("layer", f"the {top.role} layer of its root is this container's in the engine's store")
    return _in_store(top.directory, lowers, beside, detail)


def _is_of_owner(directory: bytes, who: _Who, beside: "Beside") -> bool:
    """Return whether a store is that of a user who made the user namespace of the process, which is asked beforehand.

    Root in a container has root's number as well: there the control group, which only root makes, must name one.
    """
    pid, hint = who
    owners = beside.owners(pid)
    if owners is None:
        return False
    return not owners or all(owner in owners and (owner != 0 or hint is not None)
                             for owner in _owners_of(directory, beside))


def _owners_of(directory: bytes, beside: "Beside") -> set[object]:
    """Return who owns the stores that a layer may be in, or the directory that it is in."""
    homes = [place.store for place in places(directory)] or [directory.rpartition(b"/")[0] or b"/"]
    return {beside.owner(home) for home in homes}


def _in_store(directory: bytes, lowers: Sequence[bytes], beside: "Beside", detail: Evidence) -> Contained | None:
    found = stores.container(directory, lowers, beside.tree)
    if found is None:
        try:
            found = lxc.container(directory, beside.tree)
        except Unread as error:
            return Unidentified(str(error), (error.needs,) if error.needs else ())
    return found._replace(evidence=(detail,)) if isinstance(found, Container) else found


def _by_server(root: Mount, process: "Texts", beside: "Beside") -> Contained:
    """Return the container whose root a server of FUSE merges: the kernel does not know its layers."""
    found: dict[bytes, MountedElsewhere] = {}
    for one in beside.mounted(root.device):
        for directory in _served(one, beside):
            found[directory] = one
    if not found:
        return _monitored(process, beside) or Unidentified("nobody who merges its root, nor a conmon of it, is found")
    if len(found) > 1:
        return Unidentified("what merges its root names different layers")
    directory, one = found.popitem()
    # Before anything is read there: whoever serves it may have made up the name.
    if _owners_of(directory, beside) != {one.runner.uid} or not beside.is_outside(one.runner.pid):
        return Unidentified("the server of its root is another user's than the store that it names, or a container's")
    detail = Evidence("fuse-overlayfs", "the server of its root has this container's layer on top")
    return _in_store(directory, (), beside, detail) or Unidentified("the layers of its root are no known engine's")


def _served(one: MountedElsewhere, beside: "Beside") -> set[bytes]:
    """Return the upper directories that a mount point and its server's arguments tell of."""
    found = {upper for server in beside.servers(one.runner.uid, one.mount_point)
             if (upper := runners.upper_of(server)) is not None}
    if one.mount_point.endswith(b"/merged"):
        found.add(one.mount_point.removesuffix(b"merged") + b"diff")
    return found


def _by_directory(root: Mount, around: Scene, beside: "Beside") -> Contained | None:
    top = around.process.named(b"/")
    if not isinstance(top, FileFacts):
        return Unidentified("its root may not be looked at", (SEES_ALL,))
    path = host_path(Place("live", b"/", top, root, inner=root.root.strip(b"/")), around)
    detail = Evidence("root", "its root is this container's directory")
    return None if path is None else _in_store(path, (), beside, detail)


def _otherwise(process: "Texts", beside: "Beside") -> Contained:
    """Return the container that no store has: one of a runtime alone, of systemd-nspawn, or of nobody that is known."""
    monitored = _monitored(process, beside)
    if monitored is not None:
        return monitored
    space = process.target("ns/mnt")
    for state in runtimes.states(beside.tree):
        if space is not None and beside.process(state.pid) == (state.started, space):
            detail = Evidence("runtime", f"{state.runtime} made its mount namespace for this container")
            return Container(state.runtime, state.id, state.id, evidence=(detail,))
    machine = runners.nspawn(beside.ancestors(process.pid))
    if machine is not None:
        return machine._replace(evidence=(Evidence("parent", "a systemd-nspawn of root's is above it"),))
    return Container(None, evidence=(Evidence("namespaces", "a root and a mount namespace of its own"),),
                     reason="no engine's store or state is known that it is in")


def _monitored(process: "Texts", beside: "Beside") -> Contained | None:
    """Return the container that conmon, above the process, runs from a store of its own user's."""
    told = runners.conmon(beside.ancestors(process.pid))
    place = runners.place_of(told) if told is not None else None
    if told is None or place is None:
        return None
    if beside.owner(place.store) != told.runner.uid or not beside.is_outside(told.runner.pid):
        return Unidentified("the conmon above it is another user's than the store that it names, or a container's")
    found = stores.container_called(told.id, place, beside.tree)
    detail = Evidence("parent", "the conmon above it runs this container")
    return found._replace(evidence=(detail,)) if isinstance(found, Container) else found
