"""The steps of an explanation in their order, and the answer in one sentence."""

from mapsd.light import Iterator
from mapsd.model import Answer, Backing, ProcessAnswer
from mapsd.views.explanation.holding import candidates, proof
from mapsd.views.explanation.place import mounted, named
from mapsd.views.explanation.shown import doubts, printed
from mapsd.views.explanation.words import Words, numbers, say, shown

Part = tuple[str, str, Iterator[Words]]
KINDS = {
    "anonymous": "Memory that belongs to no file: it was zeros until the process wrote to it.",
    "heap": "The heap: memory that belongs to no file, which the process got with brk(2), mostly for malloc(3).",
    "stack": "The stack of the process: memory that belongs to no file.",
    "vdso": "The vdso: code that the kernel itself puts into every process, for calls that need no system call, such "
            "as clock_gettime(2). It is in no file. See vdso(7).",
    "vvar": "Data of the kernel's that the code of the vdso reads. It is in no file.",
    "vsyscall": "The vsyscall page: an old way to call the kernel, at an address that is the same in every process. "
                "It is in no file.",
    "memfd": "A file that is in memory alone, made by memfd_create(2). What looks like a path is only its label: no "
             "path opens it, and it is in no layer, so it cannot be copied up or replaced.",
    "shm": "Shared memory, of System V or anonymous: a file of the kernel's own tmpfs that no path opens. It is in no "
           "layer, so it cannot be copied up or replaced.",
    "device": "A device: what is read here is the device's, not a file's.",
    "other": "Something that the kernel keeps and that is not a regular file.",
}
SURE = {
    "kernel-inode": "proven, since the kernel printed its numbers",
    "sole-candidate": "proven, since no other file is possible",
    "page-frame": "proven by page frames",
    "build-id": "proven by build ids",
    "bpf": "proven by the kernel's own structures",
    "lookup": "inferred from the lookup in the layers",
}
NAMED = {
    "current": "and {path} still opens these bytes.",
    "copied-up": "and {path} opens the upper copy that was made since.",
    "replaced": "and {path} opens another file, which took the name.",
    "deleted": "and the name {path} is gone.",
    "covered": "and {path} is covered by a later mount.",
    "unknown": "and whether {path} still opens these bytes is not established.",
}
NAMELESS = {
    "covered": "and its name is covered by a later mount.",
    "detached": "and no path leads there, since its mount has left every namespace.",
    "unreachable": "and the process has no path to it.",
    "unknown": "and what its name opens now is not established.",
}


def answered(answer: ProcessAnswer, mapping: Answer) -> tuple[Part, ...]:
    """Return name, title and paragraphs of each step for a mapping of a file."""
    return (("shown", "What the kernel printed", printed(answer, mapping)),
            ("doubt", "How far that may be believed", doubts(answer, mapping)),
            ("mount", "Where the file is", mounted(mapping)),
            ("name", "What the path opens now", named(answer, mapping)),
            ("candidates", "Which files the mapping could hold", candidates(mapping)),
            ("proof", "What told which one it is", proof(mapping)),
            ("verdict", "The answer", iter([verdict(mapping)])))


def other(answer: ProcessAnswer, mapping: Answer) -> tuple[Part, ...]:
    """Return the same for a mapping of something else."""
    nothing = say("This is no mapping of a file, so there is no user path, no backing file and no state.")
    return (("shown", "What the kernel printed", printed(answer, mapping)),
            ("kind", "What it is", iter([say(KINDS[mapping.kind])])),
            ("verdict", "The answer", iter([nothing])))


def verdict(mapping: Answer) -> Words:
    """Return the answer in one sentence."""
    state, path = mapping.state or "unknown", mapping.user_path
    ending = say(NAMELESS[state]) if path is None else say(NAMED[state], path=shown(path))
    if mapping.backing is None:
        return *say(f"{state}: which file memory holds is not known,"), *ending
    return *say(f"{state}: memory holds"), *_held(mapping.backing), *say(f"{SURE[mapping.proof]},"), *ending


def _held(backing: Backing) -> Words:
    if backing.path is not None:
        return (shown(backing.path), *say(f"({numbers(backing)}),"))
    if backing.inode is not None:
        return say(f"a file of which no path is known ({numbers(backing)}),")
    return say(f"a file that is known by its place alone ({numbers(backing)}),")
