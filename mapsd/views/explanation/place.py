"""Where a mapping's file lies, and what its name opens now."""

from mapsd.light import Iterator
from mapsd.model import Absent, Answer, FileFacts, Found, Layer, Mount, ProcessAnswer, Refused
from mapsd.parse import overlay_options
from mapsd.resolve.overlays import OVERLAY
from mapsd.views.explanation.shown import is_overlay, is_served
from mapsd.views.explanation.words import Words, identity, item, plural, said, say, shown

LISTED = 6  # layers; of more only the numbers are said
MEANING = {
    "current": "the path opens the very data file that the mapping holds",
    "copied-up": "the path opens the upper copy that was made after this mapping, and the mapping still holds the "
                 "lower file",
    "replaced": "another file took the name",
    "deleted": "the name is gone",
    "covered": "a later mount lies over the name or over a directory above it",
    "detached": "the mount has left the namespace",
    "unreachable": "the file is mounted, but the process has no path to it",
    "unknown": "it is not established",
}


def mounted(mapping: Answer) -> Iterator[Words]:
    """Yield the mount, and the layers where it is an overlay."""
    mount = mapping.mount
    if mount is not None:
        yield say("It is on mount {id}, {type}, device {device}, mounted on {point}", id=str(mount.id),
                  type=shown(mount.fs_type), device=str(mount.device), point=shown(mount.mount_point))
    elif mapping.state == "detached":
        yield say("Its mount is in no mount namespace any more. A lazy unmount (umount -l) leaves a mount so, as long "
                  "as a mapping or an open file needs it.")
    else:
        yield say("Its mount is not known.")
    if is_overlay(mapping):
        yield from _layers(mapping)


def _layers(mapping: Answer) -> Iterator[Words]:
    layers = [layer for layer in mapping.trail.layers if layer.text]
    if not layers:
        yield _named(mapping.mount)
        return
    found = [layer for layer in layers if layer.dir is not None]
    counts = _counts([layer.role for layer in layers])
    reached = "all of them were" if len(found) == len(layers) else f"{len(found)} of {len(layers)} were"
    yield say(f"The overlay has {counts}; {reached} found by mapsd{':' if len(layers) <= LISTED else '.'}")
    if len(layers) <= LISTED:
        yield from map(_layer, layers)
    if not all(layer.certain for layer in layers):
        yield say("Their directories may have been moved since the overlay was mounted, so which is which is not sure.")


def _named(mount: Mount | None) -> Words:
    if mount is None or mount.fs_type != OVERLAY:
        return say("Which layers the overlay has is not known: its mount options cannot be seen.")
    options = overlay_options.parse(mount.options)
    roles = ["upper"] * (options.upper is not None) + ["lower"] * len(options.lower) + ["data"] * len(options.data)
    return say(f"The overlay has {_counts(roles)} by its mount options; they were not looked at.")


def _counts(roles: list[str]) -> str:
    words = {"upper": "upper layer", "lower": "lower layer", "data": "data-only layer"}
    parts = [plural(roles.count(role), what) for role, what in words.items() if role in roles]
    if "upper" not in roles:
        parts.insert(0, "no upper layer")
    return " and ".join((", ".join(parts[:-1]), parts[-1]) if len(parts) > 1 else parts)


def _layer(layer: Layer) -> Words:
    role = "data-only" if layer.role == "data" else layer.role
    # The upper directory is known by what the overlay's root is, wherever it lies.
    lost = ":" if layer.dir is not None else " (not recognised):" if layer.role == "upper" else " (not found):"
    return item(say(f"{role} layer {layer.position}{lost}"), (shown(layer.dir.path if layer.dir else layer.text),))


def named(answer: ProcessAnswer, mapping: Answer) -> Iterator[Words]:
    """Yield what was asked about the name, what it opens now, and which state follows."""
    trail = mapping.trail
    if trail.source == "dentries":
        yield say("No link of map_files settled the name, so a BPF iterator read the mount and the directory entries "
                  "by which the kernel itself knows the file.")
    elif trail.source == "ours":
        yield say("This kernel shows the file that another filesystem handed the mapping on to, such as that of an "
                  "overlay's layer, and no path of the process. So mapsd mapped what its own paths open, and "
                  "compared what the kernel shows of that.")
    elif trail.mapped is not None:
        yield (_linked if trail.source == "link" else _claimed)(answer, mapping, trail.mapped)
    told = {"live": _live, "deleted": _gone, "replaced": _gone, "covered": _covered}.get(trail.verdict)
    if told is not None:
        yield from told(mapping)
    for seen in mapping.evidence:
        if seen.kind == "mount":
            yield said(f"{seen.detail[:1].upper()}{seen.detail[1:]}.")
    yield from _state(mapping)


def _linked(answer: ProcessAnswer, mapping: Answer, facts: FileFacts) -> Words:
    link = f"/proc/{answer.process.pid}/map_files/{mapping.vma.start:x}-{mapping.vma.end:x}"
    return say(f"The link {{link}} opens {identity(facts)} (as stat(2) has them) on mount {facts.mount_id}.", link=link)


def _claimed(answer: ProcessAnswer, mapping: Answer, facts: FileFacts) -> Words:
    only = ", and no other overlay is mounted there that could print both" * is_overlay(mapping)
    return say(f"The link of this mapping in {{links}} could not be followed, for which CAP_CHECKPOINT_RESTORE is "
               f"needed. The path itself, looked up from the root of the process, opens {identity(facts)} (as stat(2) "
               f"has them) on mount {facts.mount_id}. The inode is the line's and the mount has the line's "
               f"device{only}: the path opens this very file.", links=f"/proc/{answer.process.pid}/map_files")


def _live(mapping: Answer) -> Iterator[Words]:
    trail, path = mapping.trail, mapping.user_path
    if path is None or trail.source == "path":
        return
    if trail.source == "ours":
        yield say("From the root of the process, the file is called {path}.", path=shown(path))
        return
    elsewhere = any(seen.kind == "mount" for seen in mapping.evidence) or trail.nested
    mount = "the same file" if elsewhere else "the same file on the same mount"
    yield say(f"From the root of the process, {{path}} opens {mount}: so the name is right.", path=shown(path))


def _gone(mapping: Answer) -> Iterator[Words]:
    if mapping.user_path is not None:
        yield say(f"The kernel marks the name as deleted. From the root of the process, {{path}} opens "
                  f"{_opened(mapping.trail.opened)}, and no other mount lies over it.", path=shown(mapping.user_path))
    links = mapping.trail.mapped.nlink if mapping.trail.mapped is not None else 0
    if links and not is_overlay(mapping):
        # An overlay counts the links of the lower file, which keeps its own name.
        yield say(f"The file still has {plural(links, 'link')}: another name of it does not keep this one alive.")


def _covered(mapping: Answer) -> Iterator[Words]:
    over, mine = mapping.trail.over, mapping.mount
    path = "the path" if mapping.user_path is None else "{path}"
    where = "another mount." if over is None else f"mount {over.id}, {{type}}, mounted on {{point}}"
    yield say(f"By the mounts of the process, {path} now leads to {where}", path=shown(mapping.user_path or b""),
              type=shown(over.fs_type if over else b""), point=shown(over.mount_point if over else b""))
    if mine is not None:
        yield say(f"The mapping's file is on mount {mine.id}.")
    if mapping.trail.opened is not None:
        yield say(f"The path opens {_opened(mapping.trail.opened)}.")


def _opened(found: Found | None) -> str:
    match found:
        case FileFacts():
            return f"another file, {identity(found)} on mount {found.mount_id}"
        case Absent():
            return "nothing"
        case Refused():
            return "a file that may not be looked at"
        case None:
            return "something else"


def _state(mapping: Answer) -> Iterator[Words]:
    trail, state = mapping.trail, mapping.state or "unknown"
    if trail.verdict == "live" and is_overlay(mapping):
        yield say("So the state is current, if the path opens the very data that are mapped, or copied-up, if it opens "
                  "an upper copy that was made since: the next steps tell.")
    elif state == "current" and not is_served(mapping):
        yield say("A file on no overlay is never copied up, so the path opens the bytes that are mapped: the state is "
                  "current.")
    else:
        reason = f", since {trail.unnamed or mapping.reason}" if state == "unknown" else ""
        yield said(f"So the state is {state}: {MEANING[state]}{reason}.")
