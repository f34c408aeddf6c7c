"""Failure to ask; not knowing is an answer, not a failure.

MapsdError
├─ ParseError(source, line, reason)   a form nobody knows: a bug or a new kernel
├─ ProcessGone(pid)                   exited, or the pid was reused
│  ├─ NotShown(pid, daemon)           a daemon shows no such process
│  └─ NotRecorded(pid, recording)     a recording has no such process, or not this question about it
├─ AccessDenied(what, needs)          the capability that is missing
├─ NoSuchContainer(word)              no container that runs has this name or id
│  └─ NotOnDisk(word)                 no container of a disk has, or no image
├─ StackUnknown(container, reason)    which layers a container of a disk has is not known
├─ KernelLacks(feature)               the running kernel has no such call
├─ MachineUnknown(machine, bits)      the machine's system calls are not known
├─ NothingHeld(pid, reason)           there are no bytes to extract at an address
├─ NotExtracted(what, reason)         the bytes could not be read, or were others meanwhile
├─ NotWritten(path, reason)           the output could not be made
├─ NoContainer(step, reason, denied)  a container of our own could not be made
├─ NoHost(path, reason)              the machine cannot be seen through a procfs or a root that was given
├─ NoAuthority(reason)                who may see what cannot be established: the daemon does not start
├─ NoDaemon(daemon, reason)           no daemon can be asked there, or it answers nobody of us
├─ BadReply(daemon, reason)           what answered is no mapsd, or one of another version
├─ DaemonFailed(daemon, reason)       a daemon could not answer
├─ RecordingError(path, line, reason) a recording is torn, altered or none
└─ UsageError(message)                command line input
"""


class MapsdError(Exception):
    """The root of every failure that mapsd raises."""


class ParseError(MapsdError):
    """A text of the kernel in a form nobody knows."""

    def __init__(self, source: str, line: bytes, reason: str) -> None:
        """Keep the source ("maps"), the line as printed and what is wrong with it."""
        super().__init__(f"{source}: {reason}: {line[:200]!r}")
        self.source, self.line, self.reason = source, line, reason


class ProcessGone(MapsdError):
    """The process exited, or its pid never existed; or it has no such thread."""

    def __init__(self, pid: int, *, seen: bool, thread: int | None = None) -> None:
        """Keep the pid, and whether the process was seen alive before; *thread* is the one that it does not have."""
        missing = "no such process" if thread is None else f"no thread {thread}"
        super().__init__(f"{pid}: process exited during the lookup" if seen else f"{pid}: {missing}")
        self.pid, self.seen = pid, seen


class NotShown(ProcessGone):
    """A daemon shows no such process: there is none, or the asker may not see it, which looks the same."""

    def __init__(self, pid: int, daemon: str, *, thread: int | None = None) -> None:
        """Keep the pid, and the place of the daemon; *thread* is one that was asked for."""
        super().__init__(pid, seen=False, thread=thread)
        what = "no such process" if thread is None else f"no thread {thread}"
        self.args = (f"{pid}: {what}, or the daemon at {daemon} may not show it to you",)
        self.daemon = daemon


class NotRecorded(ProcessGone):
    """A recording has no such process, or not what was asked of it."""

    def __init__(self, pid: int, recording: bytes, what: str = "") -> None:
        """Keep the pid, the recording's path, and *what* was asked of a process that it has (empty: it has none)."""
        super().__init__(pid, seen=False)
        name = recording.decode("utf-8", "backslashreplace")
        self.args = (f"{pid}: {what} is not recorded in {name}" if what else f"{pid}: no such process is recorded in "
                     f"{name}",)
        self.recording, self.what = recording, what


class AccessDenied(MapsdError):
    """The kernel refused; *needs* names the capability that would help."""

    def __init__(self, what: str, needs: str) -> None:
        """Keep what was refused and the capability that is missing."""
        super().__init__(f"{what}: permission denied: needs {needs}")
        self.what, self.needs = what, needs


class NoSuchContainer(MapsdError):
    """No container that runs, and whose processes can be seen, has this name or an id that begins so."""

    def __init__(self, word: str) -> None:
        """Keep the word, ready for a message."""
        super().__init__(f"{word}: neither a PID nor a container that runs and can be seen")
        self.word = word


class NotOnDisk(NoSuchContainer):
    """No container, or no image, of the stores on a disk has this name or an id that begins so."""

    def __init__(self, word: str, what: str = "container") -> None:
        """Keep the word, ready for a message, and *what* was looked for."""
        super().__init__(word)
        self.args = (f"{word}: no {what} of a store on this disk",)
        self.what = what


class StackUnknown(MapsdError):
    """Which layers a container of a disk has is not known."""

    def __init__(self, container: str, reason: str) -> None:
        """Keep the container's name or id, and why."""
        super().__init__(f"{container}: its layers are not known: {reason}")
        self.container, self.reason = container, reason


class KernelLacks(MapsdError):
    """The running kernel has no such call."""

    def __init__(self, feature: str) -> None:
        """Keep the name of the call."""
        super().__init__(f"this kernel has no {feature}")
        self.feature = feature


class MachineUnknown(MapsdError):
    """The numbers of this machine's system calls are not known."""

    def __init__(self, machine: str, bits: int) -> None:
        """Keep the machine, as uname(2) has it, and the size of the interpreter's addresses in bits."""
        super().__init__(f"mapsd knows the system calls of x86_64, aarch64 and riscv64, not of {machine}, {bits} bit")
        self.machine, self.bits = machine, bits


class NothingHeld(MapsdError):
    """There are no bytes to extract at an address."""

    def __init__(self, pid: int, reason: str) -> None:
        """Keep the process and why there are none."""
        super().__init__(f"{pid}: {reason}")
        self.pid, self.reason = pid, reason


class NotExtracted(MapsdError):
    """The bytes of a mapping could not be read, or it held others meanwhile."""

    def __init__(self, what: str, reason: str) -> None:
        """Keep what was to be read and what stood in the way."""
        super().__init__(f"{what}: {reason}")
        self.what, self.reason = what, reason


class NotWritten(MapsdError):
    """The output could not be made."""

    def __init__(self, path: bytes, reason: str) -> None:
        """Keep the output's path and what stood in the way."""
        super().__init__(f"cannot write {path.decode('utf-8', 'backslashreplace')}: {reason}")
        self.path, self.reason = path, reason


class NoContainer(MapsdError):
    """A container of our own could not be made."""

    def __init__(self, step: str, reason: str, *, denied: bool) -> None:
        """Keep what was to be done, what stood in the way with what would help, and whether it was forbidden."""
        super().__init__(f"{step}: {reason}")
        self.step, self.reason, self.denied = step, reason, denied


class NoHost(MapsdError):
    """The machine cannot be seen where it was said to be."""

    def __init__(self, path: bytes, reason: str) -> None:
        """Keep the procfs or the root that was given, and what stood in the way."""
        super().__init__(f"{path.decode('utf-8', 'backslashreplace')}: {reason}")
        self.path, self.reason = path, reason


class NoAuthority(MapsdError):
    """Who may see what cannot be asked of the kernel here."""

    def __init__(self, reason: str) -> None:
        """Keep what is missing."""
        super().__init__(f"who may see which process cannot be established: {reason}")
        self.reason = reason


class NoDaemon(MapsdError):
    """No daemon can be asked: none is there, it does not answer in time, or it does not let us ask."""

    def __init__(self, daemon: str, reason: str) -> None:
        """Keep the place that was asked, and what stood in the way."""
        super().__init__(f"the daemon at {daemon} cannot be asked: {reason}")
        self.daemon, self.reason = daemon, reason


class BadReply(MapsdError):
    """What answered is no daemon of mapsd, or one of another version."""

    def __init__(self, daemon: str, reason: str) -> None:
        """Keep the place that was asked, and what is wrong with the reply."""
        super().__init__(f"what answers at {daemon} is no mapsd that this one understands: {reason}")
        self.daemon, self.reason = daemon, reason


class DaemonFailed(MapsdError):
    """A daemon could not answer."""

    def __init__(self, daemon: str, reason: str) -> None:
        """Keep the place that was asked, and what the daemon says."""
        super().__init__(f"the daemon at {daemon} failed: {reason}")
        self.daemon, self.reason = daemon, reason


class RecordingError(MapsdError):
    """A recording cannot be answered from: it is torn, altered, or none."""

    def __init__(self, path: bytes, line: int, reason: str) -> None:
        """Keep the file's path, the line (from 1), and what is wrong there."""
        super().__init__(f"{path.decode('utf-8', 'backslashreplace')}:{line}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class UsageError(MapsdError):
    """The command line cannot be understood."""
