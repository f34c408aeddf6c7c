"""The sections of a recording's file: a transcript of each process, of its threads, and of what `doctor` found."""

from mapsd.errors import NotRecorded, RecordingError, UsageError
from mapsd.recording import form, transcript
from mapsd.recording.transcript import Transcript

DOCTOR = "doctor"  # the section about what the machine let its recorder establish
PROCESS = "process "  # how the section of a process is called, before its number
THREAD, OF = "thread ", " of "  # that of a thread: its number, and its process's after OF


class Sections:
    """What one file has."""

    def __init__(self, path: bytes) -> None:
        """Read the recording at *path*. Raises RecordingError, and UsageError where it cannot be opened."""
        self._path = path
        self._processes: dict[int, Transcript] = {}
        self._threads: dict[tuple[int, int], Transcript] = {}
        self.doctor: Transcript | None = None
        for section in form.parsed(_content(path), path):
            self._take(section)

    def _take(self, section: form.Section) -> None:
        name, path = section.name, self._path
        if name == DOCTOR:
            self._demand(self.doctor is None, section)
            self.doctor = transcript.read(section, path)
        elif name.startswith(PROCESS):
            pid = _number(name.removeprefix(PROCESS), section, path)
            self._demand(pid not in self._processes, section)
            self._processes[pid] = transcript.read(section, path)
        elif name.startswith(THREAD):
            thread, _, pid_of = name.removeprefix(THREAD).partition(OF)
            whose = _number(pid_of, section, path), _number(thread, section, path)
            self._demand(whose not in self._threads, section)
            self._threads[whose] = transcript.read(section, path)

    def _demand(self, new: bool, section: form.Section) -> None:
        if not new:
            raise RecordingError(self._path, section.first - 1, f"another section of the {section.name}")

    def pids(self) -> list[int]:
        """Return the processes that were recorded, in order."""
        return sorted(self._processes)

    def of(self, pid: int, thread: int | None) -> Transcript:
        """Return the transcript of a process, or of its *thread*. Raises NotRecorded."""
        if pid not in self._processes:
            raise NotRecorded(pid, self._path)
        if thread is None or thread == pid:
            return self._processes[pid]
        if (pid, thread) not in self._threads:
            raise NotRecorded(pid, self._path, f"thread {thread}")
        return self._threads[pid, thread]


def _number(text: str, section: form.Section, path: bytes) -> int:
    if not (text.isdecimal() and len(text) < 11):
        raise RecordingError(path, section.first - 1, "not the number of a process")
    return int(text)


def _content(path: bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            text = file.read(form.LARGEST + 1)
    except OSError as error:
        name = path.decode("utf-8", "backslashreplace")
        raise UsageError(f"the recording cannot be read: {name}: {error.strerror}") from error
    if len(text) > form.LARGEST:
        raise RecordingError(path, 1, f"larger than {form.LARGEST >> 20} MiB: no recording of mapsd's is")
    return text
