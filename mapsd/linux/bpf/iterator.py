"""The iterators over vm_file: each is loaded when the first question comes that only it answers."""

from mapsd.light import TYPE_CHECKING

if TYPE_CHECKING:
    from mapsd.linux.bpf.held import HeldProgram, Records
    from mapsd.linux.bpf.same import Identities, SameProgram
    from mapsd.model import Refused


class VmFileIterator:
    """The programs; close() gives them back."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._held: HeldProgram | None = None
        self._same: SameProgram | None = None

    def close(self) -> None:
        """Give the programs back."""
        for program in (self._held, self._same):
            if program is not None:
                program.close()

    @property
    def loaded(self) -> bool:
        """Return whether one of the programs is loaded, and passed its test."""
        return any(program is not None and program.loaded for program in (self._held, self._same))

    def of(self, pid: int) -> "Records | Refused":
        """Return what every file mapping of a process holds.

        Raises OSError where the process is gone, and ParseError.
        """
        if self._held is None:
            from mapsd.linux.bpf.held import HeldProgram  # noqa: PLC0415  (most lookups load nothing)
            self._held = HeldProgram()
        return self._held.of(pid)

    def identities(self, pid: int) -> "Identities | Records | Refused":
        """Return which file every file mapping of a process holds, of whichever program is loaded; raises as of()."""
        if self._same is None:
            from mapsd.linux.bpf.same import SameProgram  # noqa: PLC0415
            self._same = SameProgram()
        if self._held is not None and self._held.loaded and not self._same.loaded:
            return self._held.of(pid)
        return self._same.of(pid)
