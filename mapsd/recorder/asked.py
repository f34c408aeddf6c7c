"""Everything that the commands would ask of one process, asked once and written down."""

from functools import partial
from itertools import chain

from mapsd.answer.name import which
from mapsd.answer.observe import observe
from mapsd.answer.openfiles import open_files
from mapsd.answer.overlays import layers
from mapsd.answer.packaged import unsettled
from mapsd.answer.reading import Asking
from mapsd.errors import MapsdError
from mapsd.light import TYPE_CHECKING, Callable, Iterator
from mapsd.model import PROOFS, ProcessAnswer, ProcessFacts
from mapsd.model.containers import Housed
from mapsd.recorder.observed import TapedProcess
from mapsd.recorder.packages import TapedDatabases
from mapsd.recorder.tape import Recorder
from mapsd.recording.codec import Names
from mapsd.recording.nouns import Housing
from mapsd.recording.packages import UNSETTLED
from mapsd.recording.questions import HOUSED
from mapsd.recording.transcript import CONTAINER, LAYERS, PACKAGES, Transcript, run_of, which_run
from mapsd.sources import Observed, Source

if TYPE_CHECKING:
    from mapsd.answer.databases import Databased
    from mapsd.answer.packaged import Packaging

House = Callable[[ProcessFacts, int | None], Housed]  # the container of a process, or of its thread
PATHS = 1000  # names of files that are followed for `which`


def recorded(pid: int, live: Source, names: Names, thread: int | None = None, house: House | None = None,
             packaging: "Packaging | None" = None) -> tuple[Transcript, ProcessAnswer]:
    """Return what a process was asked and said, with *names* in place of its own, and its mappings.

    As its leader or *thread* sees it. *house* tells its container, *packaging* the packages of what it maps, where
    these are asked for.

    Raises ProcessGone, AccessDenied, NoHost and ParseError where its mappings cannot be asked about. A later question
    that fails is written down as that.
    """
    asking = _Asking(pid, thread, live, Recorder(names))
    answer = asking.lookup("auto")
    questions = _questions(asking, answer)
    if house is not None:
        questions = chain(questions, [(CONTAINER, partial(asking.housed, answer.process, house))])
    if packaging is not None:
        questions = chain(questions, [(PACKAGES, partial(asking.packages, answer, packaging))])
    for name, ask in questions:
        try:
            process = ask()
        except MapsdError:
            if name == PACKAGES:
                # Half of it is no answer.
                del asking.recorder.transcript.runs[name]
            continue
        if process.start_time != answer.process.start_time:
            # The number is another process's by now.
            del asking.recorder.transcript.runs[name]
            break
    return asking.recorder.transcript, answer


class _Asking:
    """The questions about one process."""

    def __init__(self, pid: int, thread: int | None, live: Source, recorder: Recorder) -> None:
        self._pid, self._thread, self._live, self.recorder = pid, thread, live, recorder

    def lookup(self, proof: str) -> ProcessAnswer:
        """Ask about its mappings."""
        return observe(self._pid, self._thread, Asking(proof, self._begun(run_of("lookup", proof))))

    def who(self, proof: str) -> ProcessFacts:
        """Ask about its mappings, and return who it is."""
        return self.lookup(proof).process

    def fds(self, proof: str) -> ProcessFacts:
        """Ask what it has open."""
        return open_files(self._pid, self._thread, Asking(proof, self._begun(run_of("fds", proof)))).process

    def layers(self) -> ProcessFacts:
        """Ask for the overlays that it sees."""
        return layers(self._pid, self._thread, self._begun(LAYERS)).process

    def which(self, path: bytes) -> ProcessFacts:
        """Ask what a path opens."""
        return which(self._pid, path, self._thread, self._begun(which_run(self.recorder.path(path)))).process

    def housed(self, process: ProcessFacts, house: House) -> ProcessFacts:
        """Ask which container it is in."""
        seen = process

        def ask() -> Housing:
            nonlocal seen
            found = house(process, self._thread)
            seen = found.process
            return found.found, found.image
        self.recorder.begin(CONTAINER)
        self.recorder.ask(HOUSED, (), ask)
        return seen

    def packages(self, answer: ProcessAnswer, packaging: "Packaging") -> ProcessFacts:
        """Ask for the packages of the files that it maps, again where they changed meanwhile."""
        def through(databases: "Databased") -> "Databased":
            self.recorder.begin(PACKAGES)
            return TapedDatabases(self.recorder, databases)
        self.recorder.begin(PACKAGES)
        found = packaging.packaged(answer, self._thread, lambda: observe(
            self._pid, self._thread, Asking("auto", self._live)), through=through)
        self.recorder.ask(UNSETTLED, (), lambda: unsettled(answer, found))
        return found.process

    def _begun(self, run: str) -> Source:
        self.recorder.begin(run)

        def source(pid: int, thread: int | None) -> Observed:
            return TapedProcess(self.recorder, lambda: self._live(pid, thread))
        return source


def _questions(asking: _Asking, answer: ProcessAnswer) -> Iterator[tuple[str, Callable[[], ProcessFacts]]]:
    """Yield the name of each further run, and what asks it."""
    for proof in PROOFS:
        if proof != "auto":
            yield run_of("lookup", proof), partial(asking.who, proof)
        yield run_of("fds", proof), partial(asking.fds, proof)
    yield LAYERS, asking.layers
    for path in _paths(answer)[:PATHS]:
        yield which_run(asking.recorder.path(path)), partial(asking.which, path)


def _paths(answer: ProcessAnswer) -> list[bytes]:
    """Return the root and the names of the mapped files, as the process and as the kernel have them."""
    named = (path for mapping in answer.mappings if mapping.kind == "file"
             for path in (mapping.user_path, mapping.vma.name))
    return list(dict.fromkeys([b"/", *(path for path in named if path is not None and path.startswith(b"/"))]))
