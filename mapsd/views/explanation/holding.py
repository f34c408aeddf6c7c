"""Which files a mapping could hold, and what told them apart."""

from mapsd.light import Iterator
from mapsd.model import Answer, Backing
from mapsd.views.explanation.shown import is_overlay, is_served
from mapsd.views.explanation.words import Words, file, item, said, say

# What each means of proof compares, and why that says which file is mapped.
MEANS = {
    "kernel-inode": "The line itself was taken: here the kernel prints the very file's own device and inode.",
    "sole-candidate": "There was nothing to tell apart. The layers were read after the line was printed, so a copy "
                      "that was made before would have been seen.",
    "page-frame": "Page frames were compared. A page of a file is in memory once, for everyone who maps it: where the "
                  "mapping and a candidate have one page frame, the mapping holds that candidate.",
    "build-id": "Build ids were compared. The kernel reads the one of the file that is really mapped (PROCMAP_QUERY), "
                "and mapsd read those of the candidates.",
    "bpf": "A BPF iterator read the kernel's own structures: which inode the mapping's vm_file has.",
    "lookup": "Nothing told the candidates apart. The lookup of the path through the layers ends at this file now; it "
              "may have ended elsewhere when the mapping was made.",
    "none": "Nothing told which file the mapping holds.",
}
_SERVED = ("The kernel says which process serves the file and what that has open. The bytes of its pages in memory "
           "were compared with the file's. What the server does with other pages is its own word.")
RULES = {
    "only": "So the mapping holds the one candidate:",
    "same": "This candidate is what is mapped, and no other is, so the mapping holds it:",
    "rest": "What is mapped is the overlay's file as it is now, and not the lower one, so the mapping holds the upper "
            "one:",
    "copy": "What is mapped has the id of the upper file and not of the lower one, so the mapping holds the upper "
            "copy. Another copy of that file would have the same id, so the inode stays open:",
    "": "So the mapping holds:",
}
STATES = {
    "current": "The path opens the same data: the state is current.",
    "copied-up": "The path opens the upper copy: the state is copied-up.",
    "unknown": "Whether the path opens the same data is not established: the state is unknown.",
}
NEEDS = {
    "CAP_SYS_ADMIN": "in the initial user namespace: with it page frames, trusted.overlay attributes and every mount "
                     "namespace can be read",
    "CAP_SYS_PTRACE": "with it the root and the links of another user's process can be read",
    "CAP_DAC_READ_SEARCH": "with it layers that only their owner may enter can be read",
    "CAP_CHECKPOINT_RESTORE": "with it the links in map_files can be followed",
    "CAP_FOWNER": "with it a file of another user's can be opened for comparison",
    "CAP_BPF": "with it and CAP_PERFMON the BPF iterator can be loaded",
    "CAP_PERFMON": "with it and CAP_BPF the BPF iterator can be loaded",
    "a page of the mapping in memory": "page frames can be compared once the process has read a page of it",
}


def candidates(mapping: Answer) -> Iterator[Words]:
    """Yield the files that the mapping could hold, and why these."""
    trail, backing = mapping.trail, mapping.backing
    if is_served(mapping):
        yield say("The one that its server has open by this name in its layers:" if trail.candidates else
                  "Any file of the machine that serves this filesystem: none of its server's open files is known to be "
                  "it.")
    elif trail.candidates and mapping.proof == "kernel-inode":
        yield say("The line names one file:")
    elif trail.candidates:
        yield _choice(mapping)
    elif mapping.proof == "kernel-inode" and backing is not None:
        yield say("Only one, the file itself:")
        yield item(file(backing))
    elif is_overlay(mapping):
        yield say("No candidate was found.")
    else:
        yield say("None could be named.")
    yield from (item(_candidate(one)) for one in trail.candidates)
    yield from _crossed((*trail.candidates, *(() if backing is None else (backing,))))
    if backing is not None and backing.metadata is not None:
        yield say("Only the file's metadata was copied up (metacopy), its data stays below. The metadata is in:")
        yield item(file(backing.metadata))


def _candidate(one: Backing) -> Words:
    # What is left of a copy whose name is gone, or that was never found.
    return file(one) if one.inode is not None else (*say("an upper copy, if there is one:"), *file(one))


def _crossed(found: tuple[Backing, ...]) -> Iterator[Words]:
    outer = dict.fromkeys(one for backing in found for one in backing.through)
    if outer:
        yield say("That is below an overlay which is itself a layer. The path leads there through:")
        yield from (item(file(one)) for one in outer)


def _choice(mapping: Answer) -> Words:
    trail = mapping.trail
    roles = {one.layer_role for one in trail.candidates}
    if trail.copy == "no":
        return say("The upper layer has no copy of the file's data, so there is one candidate:")
    if trail.copy == "yes" and roles == {"upper"}:
        return say("The overlay says that the file was made in the upper layer and never had a lower one, so there is "
                   "one candidate:")
    if trail.copy == "yes":
        return say("The file was copied up. The mapping holds the lower file if it was made before, the upper copy if "
                   "it was made after:")
    doubt = f": {trail.doubt}" if trail.doubt else ""
    return (*said(f"Whether there is, or was, an upper copy is not known{doubt}. So these were considered:"),)


def proof(mapping: Answer) -> Iterator[Words]:
    """Yield what was asked, what it said, the rule that decided, and what would settle what is open."""
    trail = mapping.trail
    yield say(_SERVED if is_served(mapping) and mapping.proof == "lookup" else MEANS[mapping.proof])
    yield from map(item, map(said, _observed(mapping)))
    if mapping.backing is not None and (is_overlay(mapping) or is_served(mapping)):
        yield say(RULES["copy" if mapping.proof == "build-id" and mapping.backing.inode is None else trail.rule])
        yield item(file(mapping.backing))
    if trail.verdict == "live" and is_overlay(mapping) and mapping.state in STATES:
        yield say(STATES[mapping.state])
    yield from _open(mapping)
    if mapping.backing is not None and mapping.vma.perms.endswith("p"):
        yield say("The mapping is private: a page that the process wrote to is its own since, and in no file.")


def _observed(mapping: Answer) -> Iterator[str]:
    """Yield each observation, those that say the same of several files together."""
    about: dict[tuple[str, str], list[str]] = {}
    for seen in mapping.evidence:
        what, colon, tail = seen.detail.partition(": ")
        if seen.kind != "mount":
            about.setdefault((seen.kind, tail if colon else what), []).append(what if colon else "")
    for (kind, tail), subjects in about.items():
        named = ", ".join(filter(None, dict.fromkeys(subjects)))
        yield f"{kind}: {named}: {tail}" if named else f"{kind}: {tail}"


def _open(mapping: Answer) -> Iterator[Words]:
    reason = _reason(mapping)
    if reason:
        what = "This stood in the way" if mapping.backing is None else "This is open"
        yield say(f"{what}:") + said(f"{reason}.")
    if mapping.needs:
        yield say("What would help:")
        for need in mapping.needs:
            more = NEEDS.get(need, "")
            yield item(said(f"{need}{': ' if need.startswith('a ') else ', ' if more else ''}{more}"))


def _reason(mapping: Answer) -> str:
    """Return why something is open, without the observations that are listed beside it."""
    reason = (mapping.trail.untold if mapping.backing is None else mapping.reason) or mapping.reason or ""
    details = tuple(seen.detail for seen in mapping.evidence)
    parts = dict.fromkeys(reason.split("; "))
    return "; ".join(part for part in parts if not any(detail.endswith(part) for detail in details))
