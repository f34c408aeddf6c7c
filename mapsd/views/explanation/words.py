"""Sentences as words that a line may be broken between: a path is one word, whatever blanks it holds."""

from mapsd.light import Iterator, Sequence
from mapsd.model import Backing, FileFacts
from mapsd.views.render import escaped, printable
from mapsd.views.table import width as columns

Words = tuple[str, ...]
BULLET = "-"


def say(sentence: str, **parts: str) -> Words:
    """Return the words of a sentence; each of *parts* stands for its `{name}` and is never broken."""
    return tuple(word.format(**parts) for word in sentence.split(" "))


def said(text: str) -> Words:
    """Return the words of a text that was not written here, harmless to a terminal."""
    return tuple(printable(text).split())


def item(*parts: Words) -> Words:
    """Return the words of one line of a list."""
    return (BULLET, *(word for part in parts for word in part))


def shown(path: bytes) -> str:
    """Return a path as every face prints it, harmless to a terminal."""
    return printable(escaped(path))


def known(what: str, value: object) -> str:
    """Return a noun and its value, or that it is not known."""
    return f"{what} not known" if value is None else f"{what} {value}"


def plural(count: int, what: str) -> str:
    """Return a count and its noun."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def layer(backing: Backing) -> str:
    """Return which layer a file is in, as words that may be broken."""
    role = {None: "layer", "data": "data-only layer"}.get(backing.layer_role, f"{backing.layer_role} layer")
    if backing.layer_index is None:
        return "a layer" if backing.layer_role is None else f"{'an' if role[0] == 'u' else 'a'} {role}"
    return f"{role} {backing.layer_index}"


def numbers(backing: Backing) -> str:
    """Return a file's layer, device and inode, as words that may be broken."""
    where = f"{layer(backing)}, " if backing.overlaid else ""
    return f"{where}{known('device', backing.device)}, {known('inode', backing.inode)}"


def file(backing: Backing) -> Words:
    """Return one file of a list: its layer, device, inode and path."""
    if backing.path is not None:
        return (*say(f"{numbers(backing)}:"), shown(backing.path))
    if backing.layer_path is None:
        return say(f"{numbers(backing)}, no path of it is known")
    return say(f"{numbers(backing)}, no path of it is known in {{layer}}", layer=shown(backing.layer_path))


def identity(facts: FileFacts) -> str:
    """Return what stat(2) says a file is, as words that may be broken."""
    return f"inode {facts.inode} of device {facts.st_dev}"


def filled(words: Sequence[str], width: int, indent: int = 0) -> Iterator[str]:
    """Yield the lines of a paragraph, *indent* columns in; the lines of a list item hang."""
    margin = " " * indent
    hanging = margin + "  " * (words[0] == BULLET)
    line = margin + words[0]
    for word in words[1:]:
        if columns(line) + 1 + columns(word) > width and line.strip(f" {BULLET}"):
            yield line
            line = hanging + word
        else:
            line += f" {word}"
    yield line
