"""What this machine lets the caller establish: every means is tried on ourselves, no other process is looked at."""

import errno
import os

from mapsd.errors import MapsdError
from mapsd.light import Callable, Mapping, Sequence
from mapsd.linux import capabilities, ownoverlay, shows, syscalls, trials
from mapsd.linux.elsewhere.host import first_mountinfo
from mapsd.linux.elsewhere.hostroot import HostRoot
from mapsd.linux.files import opened
from mapsd.linux.ownoverlay import Own
from mapsd.linux.pageframes import PAGE
from mapsd.linux.trials import Asked, Seen, refused
from mapsd.model import HERE, Host, Mount
from mapsd.model.diagnosis import Diagnosis, Finding
from mapsd.parse import maps, mountinfo

YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_FORBIDDEN = {errno.EPERM, errno.EACCES}
_VISIBLE = {b"0", b"off"}


Question = Callable[[Asked], Seen]


def examined(host: Host = HERE) -> Diagnosis:
    """Return what works here and what does not, for questions about a machine.

    Raises OSError and ParseError where /proc does not tell at all, and NoHost.
    """
    held = capabilities.own()
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = mountinfo.parse(file.read())
    own = _own_overlay()
    try:
        asked = Asked(own, mounts, held, _shown(own, mounts), host)
        findings = FINDINGS if host is HERE else {**FINDINGS, "host": _host}
        return Diagnosis(os.uname().release, asked.shows.what, held, _found(PROOFS, asked), _found(findings, asked))
    finally:
        if isinstance(own, Own):
            ownoverlay.forget(own)


def _own_overlay() -> Own | str:
    try:
        return ownoverlay.made()
    except OSError as error:
        return error.strerror or str(error)
    except RuntimeError as error:
        # No further thread may be started.
        return str(error)


def _shown(own: Own | str, mounts: Sequence[Mount]) -> shows.Shows:
    vmas = shows.mappings()
    if isinstance(own, Own):
        return shows.of_own(own, vmas)
    found = shows.of_others(vmas, mounts, shows.fresh)
    return found if found.what else shows.Shows(None, f"no overlay of our own ({own}), and {found.detail}")


def _found(questions: Mapping[str, Question], asked: Asked) -> tuple[Finding, ...]:
    return tuple(Finding(name, *answered(ask, asked)) for name, ask in questions.items())


def answered(ask: Question, asked: Asked) -> Seen:
    """Return what was seen; what could not be tried is not established, and says why."""
    try:
        return ask(asked)
    except (OSError, MapsdError, RuntimeError) as error:
        return Seen(None, f"it could not be tried: {error}")


def _shows(asked: Asked) -> Seen:
    if asked.shows.what:
        return Seen(True, asked.shows.detail)
    return refused(asked, None, asked.shows.detail, "CAP_SYS_ADMIN")


def _processes(asked: Asked) -> Seen:
    if not asked.held.lacks("CAP_SYS_PTRACE"):
        return Seen(True, "the processes of every user may be read")
    return refused(asked, False, "only processes of the same user, with no more capabilities", "CAP_SYS_PTRACE")


def hidden_processes(asked: Asked) -> Seen:
    """Return whether the mount of the procfs shows every process. See proc(5), hidepid."""
    procfs, name = asked.host.procfs, os.fsdecode(asked.host.procfs)
    options = [mount.options for mount in asked.mounts if (mount.mount_point, mount.fs_type) == (procfs, b"proc")]
    switches = dict(option.partition(b"=")[::2] for option in (options[-1].split(b",") if options else ()))
    hides = switches.get(b"hidepid", b"off")
    if hides in _VISIBLE:
        return Seen(True, f"{name} hides no process")
    told = f"{name} is mounted with hidepid={hides.decode('ascii', 'backslashreplace')}"
    if not asked.held.lacks("CAP_SYS_PTRACE"):
        return Seen(True, f"{told}, which CAP_SYS_PTRACE sees through")
    return refused(asked, False, told, "CAP_SYS_PTRACE")


def _memory(asked: Asked) -> Seen:
    scope = trials.text(YAMA)
    if scope in {"", "0"}:
        return Seen(True, "Yama restricts nobody: memory may be read where maps may")
    if scope != "3" and not asked.held.lacks("CAP_SYS_PTRACE"):
        return Seen(True, f"Yama's ptrace_scope is {scope}, which CAP_SYS_PTRACE passes")
    told = f"Yama's ptrace_scope is {scope}: other processes' memory (mapsd extract) may not be read"
    if scope == "3":
        return Seen(False, told, advice="boot with another ptrace_scope: 3 cannot be undone")
    return refused(asked, False, told, "CAP_SYS_PTRACE")


def _map_files(asked: Asked) -> Seen:
    vma = next((vma for vma in shows.mappings() if maps.kind_of(vma) == "file"), None)
    if vma is None:
        return Seen(None, "no file is mapped here")
    try:
        os.close(os.open(_link(vma.start, vma.end), os.O_PATH | os.O_CLOEXEC))
    except OSError as error:
        if error.errno not in _FORBIDDEN:
            raise
        return refused(asked, False, "map_files links may not be followed: names are compared instead",
                       "CAP_CHECKPOINT_RESTORE")
    return Seen(True, "map_files links can be followed")


def _link(start: int, end: int) -> str:
    return f"/proc/self/map_files/{start:x}-{end:x}"


def _layers(asked: Asked) -> Seen:
    if not asked.held.lacks("CAP_DAC_READ_SEARCH"):
        return Seen(True, "every layer's directories may be searched, and files opened by their handles")
    return refused(asked, False, "only layers that this user may search, and no file by its handle",
                   "CAP_DAC_READ_SEARCH")


def _file_handles(asked: Asked) -> Seen:
    for path in _on_overlays(asked):
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # hidden, covered or not ours to follow: the next one
        with opened(fd):
            return _handle(fd)
    return refused(asked, None, "no overlay at hand to ask", "CAP_SYS_ADMIN")


def _on_overlays(asked: Asked) -> list[bytes]:
    own = [] if isinstance(asked.own, str) else [_link(asked.own.before, asked.own.before + PAGE).encode()]
    mounted = {mount.mount_point: mount.fs_type for mount in asked.mounts}  # of several on one point the last is seen
    return own + [point for point, fs_type in mounted.items() if fs_type == b"overlay"]


def _handle(fd: int) -> Seen:
    try:
        syscalls.name_to_handle_at(fd)
    except OSError as error:
        return Seen(False, f"an overlay gives its files no handle: {error.strerror}", advice="Linux 6.6 or later")
    return Seen(True, "an overlay's handle of a file names the layer file that it came from")


def _host(asked: Asked) -> Seen:
    """Return whether the machine's files are all reached as it names them."""
    root = HostRoot(asked.host, first_mountinfo(asked.host.procfs))
    try:
        lacking, extra, where = sorted(root.lacking), len(root.extra), os.fsdecode(root.path)
    finally:
        root.close()
    if not lacking:
        but = f", but for {extra} mount points of the container's own" if extra else ""
        first = f"process 1 of {os.fsdecode(asked.host.procfs)}"
        return Seen(True, f"files are opened below {where} as {first} names them{but}")
    return Seen(False, f"{len(lacking)} mounts of the machine are not below {where}, and nothing is opened there; the "
                       f"first is on {os.fsdecode(lacking[0])}",
                advice="bind the root with its mounts and let later ones through (rbind and rslave; HostToContainer "
                       "in Kubernetes), or leave --host-root out")


PROOFS: Mapping[str, Question] = {"kernel-inode": trials.kernel_inode, "bpf": trials.bpf,
                                  "page-frame": trials.page_frame, "build-id": trials.build_id,
                                  "lookup": trials.lookup}
FINDINGS: Mapping[str, Question] = {"shows": _shows, "processes": _processes, "hidepid": hidden_processes,
                                    "memory": _memory, "map-files": _map_files, "layers": _layers,
                                    "file-handles": _file_handles}
