"""The story of `mapsd demo` as text, a hundred columns wide; no sentence says more than what was seen."""

import textwrap

from mapsd.demo import MODE, Scene, Story, build
from mapsd.light import Iterator
from mapsd.linux.demo.claims import Claims, Opened
from mapsd.model import Answer
from mapsd.model.diagnosis import NUMBERS
from mapsd.views.render import confidence, escaped, printable

_WIDTH, _INDENT = 100, 13
_NOW = {"current": ", the path opens it", "copied-up": ", the path opens the upper copy"}
_GONE = "The process has ended and STORE is removed. On your own processes: mapsd lookup PID"


def lines(story: Story) -> Iterator[str]:
    """Yield the lines of the story."""
    namespaces = "a mount namespace" if story.refused else "a user namespace, a mount namespace"
    greet, quiet = _shown(story.before.path), _shown(story.silent.path)
    yield from _filled(f"A container, as rootless engines make them: {namespaces}, and an overlay as its root, with a "
                       "lower layer (the image) and an upper layer (what the container writes). Process "
                       f"{story.pid} in it has mapped two libraries. mapsd looks from outside, as {_who(story)}.")
    if story.refused:
        yield from _filled(f"It has no user namespace: {printable(story.refused)}.")
    yield f"STORE is {_shown(story.store)}, the directory that holds the two layers."
    yield from _titled(f"1. {greet} is build 1, in the lower layer")
    yield from _scene(story.before, story.store)
    yield from _titled(f"2. In the container build 2 is written over {greet}, as cp does")
    yield from _filled("A lower layer is never written to: overlayfs makes a copy in the upper layer, the copy-up, and "
                       "build 2 is written to that. The process keeps what it has mapped.")
    yield from ("", *_scene(story.after, story.store), "")
    yield from _filled(_unnoticed(story.before.claims, story.after.claims))
    yield from _titled(f"3. In the container the mode of {quiet} is changed to {MODE:o}, as chmod does")
    yield from _filled("Overlayfs copies the file up all the same, and the copy has the same bytes.")
    yield from ("", *_scene(story.silent, story.store), "")
    yield from _filled(_alike(story))
    yield from ("", _GONE)


def _who(story: Story) -> str:
    held = "every capability that helps" if len(story.held) == len(NUMBERS) else ", ".join(story.held)
    return f"user {story.uid} with {held}" if held else f"user {story.uid} without any capability"


def _titled(title: str) -> tuple[str, ...]:
    return "", title, ""


def _filled(text: str, indent: int = 0) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _shown(path: bytes) -> str:
    return printable(escaped(path))


def _scene(scene: Scene, store: bytes) -> Iterator[str]:
    said = scene.claims
    yield from _row("maps", _shown(b" ".join((*said.line.split(b" ", 5)[:5], said.vma.name))))
    yield from _row("map_files", f"{_link(said)} {_opens(said.linked)}")
    yield from _row("the path", _opens(said.named))
    yield from _row("lsof", _lsof(said))
    yield from _row("memory", _memory(said))
    for number, text in enumerate(_answer(scene.answer, store)):
        yield from _row("" if number else "mapsd", text)


def _row(label: str, text: str) -> list[str]:
    return _filled(f"  {label:<{_INDENT - 2}}{text}", _INDENT)


def _link(said: Claims) -> str:
    return f"-> {_shown(said.link)}, it" if isinstance(said.link, bytes) else f"cannot be read ({said.link}),"


def _opens(found: Opened | str) -> str:
    if isinstance(found, str):
        return f"may not be opened ({found})"
    return f"opens inode {found.inode}, {_built(build(found.data))}"


def _built(number: int | None) -> str:
    return "neither build" if number is None else f"build {number}"


def _lsof(said: Claims) -> str:
    if isinstance(said.lsof, str):
        return said.lsof
    return printable("; ".join(" ".join(row) for row in said.lsof)) or "says nothing of this path"


def _memory(said: Claims) -> str:
    if isinstance(said.memory, str):
        return f"may not be read ({said.memory})"
    return f"holds {_built(build(said.memory))} (/proc/PID/mem, which mapsd does not read)"


def _answer(answer: Answer, store: bytes) -> Iterator[str]:
    backing, state = answer.backing, answer.state or "unknown"
    if backing is None:
        yield f"{state}: {printable(answer.reason or 'no file was found')}"
        yield f"what would settle it: {', '.join(answer.needs) or 'nothing that is known'}"
        return
    path = f"device {backing.device} inode {backing.inode}" if backing.path is None else _short(backing.path, store)
    yield f"{state}: memory holds {path}{_NOW.get(state, '')}"
    yield (f"layer {backing.layer_role}:{backing.layer_index}, device {backing.device} inode {backing.inode}; "
           f"{confidence(answer)}, proof {answer.proof}:")
    yield from (printable(seen.detail) for seen in answer.evidence if seen.kind == answer.proof)
    if answer.reason is not None:
        yield printable(answer.reason)


def _short(path: bytes, store: bytes) -> str:
    inside = path.startswith(store + b"/")
    return "STORE" + _shown(path.removeprefix(store)) if inside else _shown(path)


def _unnoticed(before: Claims, after: Claims) -> str:
    """Return what changed, and what did not, between two moments of one mapping."""
    told = []
    if isinstance(after.memory, bytes):
        told.append(f"Memory holds {_built(build(after.memory))}.")
    if isinstance(after.named, Opened):
        told.append(f"The path opens {_built(build(after.named.data))}.")
    seen = (("maps", before.line, after.line), ("the map_files link", before.link, after.link),
            ("lsof", before.lsof, after.lsof))
    same = [name for name, one, other in seen if _same(one, other)]
    if same:
        told.append(f"To the letter as before: {', '.join(same)}.")
    if isinstance(after.linked, Opened) and after.linked.data != after.memory:
        told.append("And what map_files opens is not what is mapped.")
    return " ".join(told)


def _same(before: object, after: object) -> bool:
    """Return whether two observations were made, and are alike: a text says why one was not."""
    return before == after and not isinstance(before, str)


def _alike(story: Story) -> str:
    """Return what can be known where both files have the same bytes."""
    files = " and ".join(f"{_short(one.path, story.store)} (inode {one.inode}, {_built(one.build)})"
                         for one in story.quiet)
    answer, text = story.silent.answer, f"There are two files now: {files}."
    if answer.backing is not None:
        return f"{text} Their bytes and build ids are alike; {answer.proof} tells them apart."
    return (f"{text} That much is known. Which of them is mapped is not: their bytes and build ids are alike, and "
            "page frames and the kernel's own structures are shown to nobody without a capability. Run as root, "
            "mapsd demo asks for them.")
