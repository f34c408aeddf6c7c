"""The means that tell candidates apart, cheapest first."""

from mapsd.light import Callable, NamedTuple, Sequence
from mapsd.model import Evidence, Vma
from mapsd.ports import BuildIds, FileRef, PageFrames, VmFiles


class Said(NamedTuple):
    """What one of the means said of a mapping and a candidate: "same", "different" or "silent", and why."""

    means: str
    verdict: str
    detail: str

    def about(self, what: str) -> Evidence:
        """Return the observation; *what* names the candidate."""
        return Evidence(self.means, f"{what}: {self.detail}")


Compare = Callable[[Vma, FileRef], Said]


class Means:
    """What may be asked of the kernel beyond names; *proof* is one of PROOFS."""

    def __init__(self, frames: PageFrames, build_ids: BuildIds | None, vm_files: VmFiles, proof: str = "auto") -> None:
        """Ask what *proof* allows; *build_ids* is None where they would tell nothing."""
        self._frames, self._proof = frames, proof
        self.build_ids = build_ids if proof in {"auto", "build-id"} else None
        self.vm_files = vm_files if proof in {"auto", "bpf"} else None

    @property
    def demanded(self) -> bool:
        """Return whether one of the means is asked for by name: it is asked also where a lookup would do."""
        return self._proof not in {"auto", "lookup"}

    def comparers(self, together: Sequence[FileRef] = ()) -> tuple[Compare, ...]:
        """Return the ways to compare a mapping with a candidate, cheapest first; *together* are all candidates."""
        frames = (self._by_frame,) if self._proof in {"auto", "page-frame"} else ()
        vm_files = self.vm_files
        if vm_files is None:
            return frames
        return (*frames, lambda vma, candidate: Said("bpf", *vm_files.compare(vma, candidate, together)))

    def compare(self, vma: Vma, candidate: FileRef) -> Said:
        """Return what the first of them says that is not silent, else what the last one says."""
        said = Said("lookup", "silent", "no means of comparison was asked for")
        for compare in self.comparers():
            said = compare(vma, candidate)
            if said.verdict != "silent":
                break
        return said

    def contents(self, vma: Vma, candidate: FileRef) -> Said:
        """Return whether the bytes of a mapping's pages are a candidate's: for files of a server, on no other way."""
        if self._proof != "auto":
            return Said("contents", "silent", "its bytes were not asked for")
        return Said("contents", *self._frames.contents(vma, candidate))

    def _by_frame(self, vma: Vma, candidate: FileRef) -> Said:
        return Said("page-frame", *self._frames.compare(vma, candidate))
