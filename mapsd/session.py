"""Many questions that share what they may share: how another program embeds mapsd."""

import os
import time

from mapsd.answer.observe import checked, observe
from mapsd.answer.reading import Asking
from mapsd.errors import AccessDenied, ProcessGone, UsageError
from mapsd.light import TYPE_CHECKING, Callable, Sequence
from mapsd.linux.live import Live
from mapsd.model import HERE, Host, ProcessAnswer, ProcessFacts

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TypeVar

    from mapsd.answer.databases import Reader
    from mapsd.answer.located import Located
    from mapsd.answer.packaged import Packaging
    from mapsd.linux.machine import LiveMachine
    from mapsd.linux.roots import Root
    from mapsd.model.containers import Contained, Container, Containers, Housed, ImageLayers
    from mapsd.model.layers import ProcessLayers, Which
    from mapsd.model.open import OpenAnswer
    from mapsd.model.translated import Translation, View, Wanted
    from mapsd.sources import Layers, Search

    _Answer = TypeVar("_Answer", ProcessAnswer, OpenAnswer, ProcessLayers, Which, View)


class Session:
    """Asks about processes; close() it, or use it in a `with` block.

    Every answer is asked fresh of the kernel. What is shared is what cannot change while the kernel runs: the loaded
    BPF program and what its test found. A session belongs to one thread at a time.
    """

    def __init__(self, proof: str = "auto", host: Host = HERE, *, keep: bool = False,
                 frame_numbers: bool = True, package_seconds: float | None = None) -> None:
        """Ask with *proof*, one of PROOFS, about the processes of a machine (see mapsd.host).

        "auto" asks the cheapest means that is sufficient, "lookup" none, and the name of a means asks that one
        wherever it applies. To *keep* answers makes a process that is asked about again cheaper: of an answer that
        was given before the kernel is asked whether all that it hangs on is unchanged; see docs/embedding.md. Packages
        of one process that are not found within *package_seconds* are unknown. Raises UsageError (no such proof).
        Where the machine is not our own, every question may raise NoHost.
        """
        kept = None
        if keep and proof == "auto":
            from mapsd.answer.kept import Kept  # noqa: PLC0415  (a single lookup keeps nothing)
            from mapsd.linux import processes  # noqa: PLC0415  (as above)
            kept = Kept(processes.there)
        self._live = Live(host, numbered=frame_numbers)
        self._asking = Asking(checked(proof), self._live, kept)
        self._packaging: Packaging | None = None
        self._package_seconds = package_seconds

    def __enter__(self) -> "Self":
        """Return the session itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: "TracebackType | None") -> None:
        """Close the session."""
        self.close()

    def close(self) -> None:
        """Give back what is shared; a session that is asked again loads it again."""
        self._packaging = None
        self._live.iterator.close()

    def lookup(self, pid: int, thread: int | None = None, addresses: Sequence[int] | None = None, *,
               contained: bool = False, packages: bool = False, reader: "Reader | None" = None) -> ProcessAnswer:
        """Return every mapping of a process, or those that hold *addresses*: user path, backing file, state and proof.

        *thread* is one of its threads, to be asked for where it has a mount namespace or a root of its own. With
        *contained* the answer has the container, and the image's layers that backing files are in; with *packages* the
        package of each file's bytes, by the databases that lie in the container itself: those that *reader* may read,
        where they are for somebody else (mapsd.linux.rights.reading). Raises
        ProcessGone (no such process, or it exited meanwhile), AccessDenied (maps may not be read; *needs* names the
        capability) and ParseError (a text in a form nobody knows).
        """
        found = observe(pid, thread, self._asking, addresses)
        if packages:
            from mapsd.answer.packaged import Packaging  # noqa: PLC0415  (most lookups need none of it)
            self._packaging = self._packaging or Packaging(self._live, self._package_seconds)
            found = self._packaging.packaged(found, thread, lambda: observe(pid, thread, self._asking, addresses),
                                             reader=reader)
        return self._contained(found, thread) if contained else found

    def fds(self, pid: int, thread: int | None = None, *, contained: bool = False) -> "OpenAnswer":
        """Return what a process has open: exe, cwd, root and every file descriptor, with user path and backing file.

        With *contained* the answer has the container, and the image's layers that backing files are in.

        A build id tells nothing of an open file: a session that asks for this proof asks nothing beyond names. Raises
        ProcessGone, AccessDenied (none of them may be read; *needs* names the capability) and ParseError.
        """
        from mapsd.answer.openfiles import open_files  # noqa: PLC0415  (a lookup needs none of it)
        found = open_files(pid, thread, self._asking)
        return self._contained(found, thread) if contained else found

    def layers(self, pid: int, thread: int | None = None, *, contained: bool = False) -> "ProcessLayers":
        """Return the overlays that a process sees: options in words, layers in order, what can be reached of them.

        With *contained* the answer has an engine's container, and which layers of its image they are. Raises
        ProcessGone, AccessDenied and ParseError.
        """
        from mapsd.answer.overlays import layers  # noqa: PLC0415  (a lookup needs none of it)
        found = layers(pid, thread, self._live)
        return self._contained(found, thread) if contained else found

    def which(self, pid: int, path: bytes, thread: int | None = None, *, contained: bool = False) -> "Which":
        """Return which file an absolute path opens inside a process's root, and what that hides in the layers.

        A path that leads to nothing is an answer without a winner; *contained* is that of layers(). Raises UsageError
        (the path is not absolute), ProcessGone, AccessDenied (the process's root or the path may not be looked at) and
        ParseError.
        """
        from mapsd.answer.name import which  # noqa: PLC0415  (a lookup needs none of it)
        found = which(pid, path, thread, self._live)
        return self._contained(found, thread) if contained else found

    def container(self, pid: int, thread: int | None = None) -> "Contained":
        """Return the container that a process is in, told by the files of its engine, which need not run.

        Uncontained and Unidentified are answers as well. Raises ProcessGone, AccessDenied and ParseError.
        """
        from mapsd.answer.container import container  # noqa: PLC0415  (a lookup needs none of it)
        return container(pid, thread, self._live)

    def containers(self, pids: Sequence[int] | None = None) -> "Containers":
        """Return the containers that run, with their processes among *pids*, or among all that can be seen.

        Raises NoHost and ParseError; processes that fail are counted.
        """
        from mapsd.answer.running import running  # noqa: PLC0415  (a lookup needs none of it)
        known, gone, denied = [], 0, 0
        for pid in self.pids() if pids is None else pids:
            try:
                known.append(self.who(pid))
            except ProcessGone:
                gone += 1
            except AccessDenied:
                denied += 1
        found = running(known, self.housed, time.time(), self.root)
        return found._replace(gone=found.gone + gone, denied=found.denied + denied)

    def housed(self, process: ProcessFacts, thread: int | None = None) -> "Housed":
        """Return what container() and image_layers() tell of a process that who() knows. Raises what they raise."""
        from mapsd.answer.contained import housed  # noqa: PLC0415  (a lookup needs none of it)
        return housed(process, thread, self._live, time.time())

    def image_layers(self, container: "Container") -> "ImageLayers":
        """Return the layers of a container's image; of(layer path of an answer's backing file) finds one."""
        from mapsd.engines.stores import image_layers  # noqa: PLC0415  (as above)
        beside = self._live.beside()
        try:
            return image_layers(container, beside.tree)
        finally:
            beside.close()

    def translate(self, wanted: "Wanted", pid: int | None = None, among: Sequence[int] | None = None, *,
                  thread: int | None = None, walk: bool = True, contained: bool = False) -> "Translation":
        """Return by which names the processes of a machine open a file that somebody else named.

        *wanted* is mapsd.model.translated.OnHost, Inside or Numbered. Asked is one process (*pid*), or one for each
        mount namespace and root *among* these processes, or among all that can be seen. *thread* is one of *pid*'s, as
        for lookup(). Without *walk* no directory is walked through: only names are tried that follow from what was
        asked, or that maps shows. With *contained* each view that has a name has the container of its process. Raises
        UsageError (a path that is not absolute, a thread of no process) and ParseError; for *pid* also ProcessGone and
        AccessDenied: others are counted.
        """
        if pid is None and thread is not None:
            raise UsageError("a thread is of one process")
        from mapsd.answer import translation  # noqa: PLC0415  (a lookup needs none of it)
        from mapsd.answer.translated import Means, translated  # noqa: PLC0415  (as above)
        from mapsd.answer.unsearched import Unsearched  # noqa: PLC0415  (as above)
        from mapsd.resolve.possible import Texts  # noqa: PLC0415  (as above)
        means = Means(_searching() if walk else lambda _: Unsearched(), Texts())
        asking = translation.Asking(lambda wanted, one: translated(one, thread, wanted, self._live, means), self.root,
                                    os.uname().release, time.time())
        if pid is not None:
            found = translation.in_process(wanted, pid, asking)
        else:
            found = translation.among(wanted, self.pids() if among is None else among, asking)
        return found if not contained else found._replace(
            views=tuple([self._contained(one, thread) if one.names else one for one in found.views]))

    def _contained(self, found: "_Answer", thread: int | None) -> "_Answer":
        if self._live.is_beside_us(found.process):
            return found
        from mapsd.answer.contained import contained  # noqa: PLC0415  (most lookups need none of it)
        return contained(found, thread, self._live)

    def root(self, pid: int) -> "Root":
        """Return what is equal for processes of one mount namespace and root. Raises ProcessGone, AccessDenied."""
        from mapsd.linux.roots import root_of  # noqa: PLC0415  (as above)
        return root_of(pid, self._live.host)

    def who(self, pid: int) -> ProcessFacts:
        """Return who a process is, without what it maps. Raises ProcessGone, AccessDenied and ParseError."""
        from mapsd.answer.who import who  # noqa: PLC0415  (a lookup needs none of it)
        return who(pid, self._live)

    def pids(self) -> list[int]:
        """Return every process that this one can see in the machine's procfs, itself included, in order."""
        from mapsd.linux import processes  # noqa: PLC0415  (a lookup needs none of it)
        return processes.pids(self._live.host)

    def locate(self, pid: int, addresses: Sequence[int], thread: int | None = None) -> "tuple[Located, ...]":
        """Return each address of a process, in the order given, with its mapping and its offset in the file.

        They are answered by one lookup of the mappings that hold them, so all are of one moment. Raises what lookup()
        raises.
        """
        from mapsd.answer.located import located  # noqa: PLC0415  (a lookup of all needs none of it)
        return located(self.lookup(pid, thread, addresses).mappings, addresses)


def _searching() -> "Callable[[Layers], Search]":
    from typing import cast  # noqa: PLC0415  (as above)

    from mapsd.linux.searches import Searches  # noqa: PLC0415  (as above)
    known = Searches()
    # The machines of a live source are live.
    return lambda machine: known.by(cast("LiveMachine", machine))
