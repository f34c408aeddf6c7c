"""The files that an overlay shows, as a tree: some of its layers, from one of them down, show what was there then."""

from mapsd.light import Callable, Sequence
from mapsd.model import Absent, FileFacts, Found, LayerDir, Refused
from mapsd.model.layers import Met
from mapsd.pathnames import names
from mapsd.ports import Contents
from mapsd.resolve.merged import Merged

MANY = 20_000  # names of a directory: each is looked up in every layer


class MergedTree:
    """The port Tree on what an overlay shows; it is not mounted."""

    def __init__(self, merged: Merged, contents: Contents) -> None:
        """Take the overlay, and what reads in its layers."""
        self._merged, self._contents = merged, contents

    def read(self, path: bytes, limit: int) -> bytes | Absent | Refused:
        """Return a regular file's bytes, Refused where it has more than *limit* or is no regular file."""
        return self._of_file(path, lambda layer, at: self._contents.read(layer, at, limit))

    def head(self, path: bytes, size: int) -> bytes | Absent | Refused:
        """Return the first *size* bytes of a regular file, fewer where it is shorter."""
        return self._of_file(path, lambda layer, at: self._contents.head(layer, at, size))

    def listed(self, path: bytes) -> Sequence[bytes] | Absent | Refused:
        """Return the names in a directory, in order, Refused where they are too many."""
        way = self._merged.way(b"/" + path)
        if not isinstance(way.found, FileFacts):
            return way.found
        if way.found.kind != "directory":
            return Absent()
        every = self._names(way.path)
        return every if isinstance(every, Refused) else self._shown(way.path.rstrip(b"/"), every)

    def entry(self, path: bytes) -> Found:
        """Return what a path is; a symbolic link at its end is not followed."""
        at = self._place(path)
        return self._merged.entry(at) if isinstance(at, bytes) else at

    def link(self, path: bytes) -> bytes | Absent | Refused:
        """Return the text of a symbolic link."""
        at = self._place(path)
        top = self._merged.top(at) if isinstance(at, bytes) else at
        if not isinstance(top, Met):
            return top
        if top.layer.dir is None or not isinstance(top.found, FileFacts) or top.found.kind != "symlink":
            return Refused("it is no symbolic link")
        return self._contents.link(top.layer.dir, top.path)

    def _of_file(self, path: bytes, ask: Callable[[LayerDir, bytes], bytes | Absent | Refused]
                 ) -> bytes | Absent | Refused:
        way = self._merged.way(b"/" + path)
        if not isinstance(way.found, FileFacts):
            return way.found
        if way.found.kind != "file":
            return Refused("it is no regular file")
        met = self._merged.descent(way.path)
        # Of a metacopy the bytes lie further down.
        data = next((one for one in met if one.named and one.what == "opens"), None)
        if data is None or data.layer.dir is None:
            return Refused("which layer has its bytes is not known")
        return ask(data.layer.dir, data.path)

    def _place(self, path: bytes) -> bytes | Absent | Refused:
        """Return the name without links of what a path is, its last name not followed."""
        *above, last = names(path) or [b".."]
        way = self._merged.way(b"/" + b"/".join(above if last != b".." else [*above, last]))
        if not isinstance(way.found, FileFacts):
            return way.found
        if way.found.kind != "directory":
            return Absent()
        return way.path if last == b".." else way.path.rstrip(b"/") + b"/" + last

    def _names(self, directory: bytes) -> list[bytes] | Refused:
        """Return the names that the layers have in a directory, also those of whiteouts."""
        found: set[bytes] = set()
        for met in self._merged.descent(directory):
            if met.named and met.what == "unknown":
                return Refused(met.reason, met.needs)
            if not met.named or met.what != "merged" or met.layer.dir is None:
                continue
            more = self._contents.listed(met.layer.dir, met.path)
            if isinstance(more, Refused):
                return more
            found.update(() if isinstance(more, Absent) else more)
        return sorted(found) if len(found) <= MANY else Refused(f"the directory has more than {MANY:,} entries")

    def _shown(self, directory: bytes, every: list[bytes]) -> list[bytes] | Refused:
        shown = []
        for name in every:
            found = self._merged.entry(directory + b"/" + name)
            if isinstance(found, Refused):
                return found
            if isinstance(found, FileFacts):
                shown.append(name)
        return shown
