"""The layers that a fuse-overlayfs was told to merge. See fuse-overlayfs(1)."""

from mapsd.light import Iterator, NamedTuple, Sequence

# What the kernel keeps of a file is then asked for again, and may be of another one.
_CACHES = (b"timeout", b"writeback")


class Told(NamedTuple):
    """The texts of the lower layers, the topmost first, and of the upper one (None: there is none)."""

    lowers: tuple[bytes, ...]
    upper: bytes | None


def told(arguments: Sequence[bytes]) -> Told | None:
    """Return the layers in a command line, None where it can be read in more than one way, or changes what is kept.

    They are relative to the directory in which the program was started: as a daemon it has left that.
    """
    found: dict[bytes, list[bytes]] = {b"lowerdir": [], b"upperdir": []}
    for text in _options(arguments):
        if b"\\" in text:
            # A comma or a colon may belong to a name; releases differ in it.
            return None
        for option in text.split(b","):
            name, _, value = option.partition(b"=")
            if name in _CACHES:
                return None
            if name in found:
                found[name].append(value)
    lowers, uppers = found.values()
    if len(lowers) != 1 or len(uppers) > 1 or b"//" in lowers[0]:
        # Behind `//` a plugin's name may stand.
        return None
    names = tuple(lowers[0].split(b":"))
    return None if b"" in (*names, *uppers) else Told(names, uppers[0] if uppers else None)


def _options(arguments: Sequence[bytes]) -> Iterator[bytes]:
    words = iter(arguments[1:])
    for word in words:
        if word == b"-o":
            yield next(words, b"")
        elif word.startswith(b"-o"):
            yield word[2:]
