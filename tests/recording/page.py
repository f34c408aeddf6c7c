"""docs/kernels.md, from what mapsd answers of the recorded kernels: page.py OUTPUT (bin/build-kernels)."""

import re
import sys
import tempfile
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.recording import patched
from tests.recording.test_kernels import NAMES, answered, told, verdicts

CLASSES = {
    "lower files": {"exe": "the program", "lower_exec_priv": "a library", "lower_shared_ro": "a file",
                    "lower1_only": "one of the first lower layer only", "both_lowers": "one of both lower layers",
                    "symlinked": "one by a symbolic link", "bind_overlay": "one below a bind mount of a directory",
                    "names": "odd names"},
    "upper files": {"upper_file": "a file", "upper_shared_rw": "one that is written", "recreated_new": "one made anew",
                    "renamed_upper_before": "mapped, then renamed", "renamed_upper_after": "renamed, then mapped",
                    "udir_before": "mapped, then its directory renamed",
                    "udir_after": "its directory renamed, then mapped"},
    "copied up, then mapped": {"lower_opened_rw": "opened for writing", "copyup_after": "written to",
                               "chmod_after": "by chmod", "renamed_lower_after": "by a rename",
                               "hardlink_a_after": "written to by one of two links"},
    "mapped, then copied up": {"copyup_before": "written to", "chmod_before": "by chmod",
                               "renamed_lower_before": "by a rename", "hardlink_a": "written to by one of two links"},
    "the other link of a file that was copied up": {"hardlink_b": "mapped before", "hardlink_b_after": "mapped after"},
    "in a lower directory that was renamed": {"rdir_before": "mapped before", "rdir_after": "mapped after"},
    "deleted": {"deleted_lower": "a lower file", "deleted_upper": "an upper file", "recreated_old": "and made anew"},
    "covered by a mount": {"shadowed": "a lower file"},
    "bind mounts of other files": {"bind_foreign": "of a directory", "bind_file": "of a file"}}
UNCHANGED = "files (nothing was changed)"  # without an upper layer
_INTRODUCTION = """\
# Kernels

Made by `bin/build-kernels` from recordings of twelve kernels that were booted once, and of what was reported of others;
a test fails where it is not what mapsd answers. Each kernel has up to thirteen combinations of layers: on `tmpfs`,
`ext4` or `btrfs`, on several filesystems (`mixed`), with `xino`, `redirect` or `metacopy` on, `nested`, `readonly`
(without an upper layer), and for a process that was chrooted, has mounted its overlay in its own namespace (`inns`), or
has a user namespace (`rootless`).

When these kernels were looked at, neither page frames nor build ids, handles, the kernel's own structures or times
were noted. So this is what the texts of /proc and the names and numbers of layers tell: on a machine mapsd knows more
([proofs.md](proofs.md)). Where it says unknown, the recording lacks what would settle it, as rules that know nothing of
mapsd find (`python -m tests.recording.lacking`). Nothing is wrong.
"""
_HEAD = """\
| layers | files | maps shows | its device and inode | user path | state | backing |
| --- | --- | --- | --- | --- | --- | --- |"""


class Outcome(NamedTuple):
    """What maps shows of a mapping, and what mapsd answers: the latter as words."""

    shown: str
    device: str
    path: str
    state: str
    backing: str


Outcomes = dict[tuple[str, str], Outcome]  # of each combination and case


class Notes:
    """What recordings lack, numbered as it is met."""

    def __init__(self) -> None:
        self.met: dict[tuple[str, ...], int] = {}

    def unknown(self, lacks: tuple[str, ...]) -> str:
        return f"unknown ({self.met.setdefault(lacks, len(self.met) + 1)})"

    def lines(self) -> Iterator[str]:
        for lacks, number in self.met.items():
            yield f"- ({number}) {'one of: ' if len(lacks) > 1 else ''}{'; '.join(lacks)}."


def outcome(case: dict, answer: dict, lacks: dict, notes: Notes) -> Outcome:
    said = verdicts(case, answer)
    if not set(said.values()) <= {"right", "unknown"}:
        raise AssertionError((case, said))
    path, state, backing = ("right" if said[name] == "right" else notes.unknown(lacks[name])
                            for name in ("path", "state", "backing"))
    proof = f"right, {answer['proof']}" if backing == "right" else backing
    return Outcome(_text(case, answer["shown"]), _device(case, answer), path, state, proof)


def _text(case: dict, shown: dict) -> str:
    exact = b64decode(shown["path_base64"]) if "path_base64" in shown else shown["path"].encode()
    path = case["path"].encode("utf-8", "surrogateescape").replace(b"\n", rb"\012")
    marked = " (deleted)" if exact.endswith(b" (deleted)") and not path.endswith(b" (deleted)") else ""
    bare = exact.removesuffix(marked.encode())
    name = "the user path" if bare == path else "the host's path" if bare.endswith(path) else "another name"
    return name + marked


def _device(case: dict, answer: dict) -> str:
    shown, mount = answer["shown"], answer["mount"]
    if mount is not None and shown["device"] == mount["device"] and mount["fs_type"] == "overlay":
        return "the overlay's"
    device, inode = case["file"] or (shown["device"], shown["inode"])
    same = shown["inode"] == inode and (shown["device"] == device or case["combination"] == "btrfs")
    return "the file's own" if same else "another overlay's"


def kernel(release: str, notes: Notes) -> Outcomes:
    """Return the outcome of every case of one kernel."""
    answers, holes = told(release)
    return {(case["combination"], case["label"]): outcome(case, answer, lacks, notes)
            for (case, answer), lacks in zip(answers, holes, strict=True)}


def grouped(kernels: dict[str, Outcomes]) -> list[tuple[list[str], Outcomes]]:
    """Return kernels that are alike in all that they have in common, with what they have together."""
    groups: list[tuple[list[str], Outcomes]] = []
    for name in sorted(kernels, key=_version):
        for names, known in groups:
            if all(known.get(case, found) == found for case, found in kernels[name].items()):
                names.append(name)
                known.update(kernels[name])
                break
        else:
            groups.append(([name], dict(kernels[name])))
    return groups


def _version(name: str) -> list[int]:
    return [int(part) for part in re.split(r"[.+-]", name) if part.isdecimal()]


def rows(known: Outcomes) -> Iterator[str]:
    """Yield the rows of a table: alike combinations and cases are one."""
    labels: dict[tuple[str, Outcome], set[str]] = defaultdict(set)
    for (combination, label), found in known.items():
        labels[combination, found].add("names" if label.startswith("name_") else label)
    every = {combination: set.union(*(some for (one, _), some in labels.items() if one == combination))
             for combination in {combination for combination, _ in labels}}
    together: dict[tuple[Outcome, str], list[str]] = defaultdict(list)
    for (combination, found), some in labels.items():
        for words in _worded(combination, some, every[combination]):
            together[found, words].append(combination)
    cells: dict[tuple[Outcome, str], list[str]] = defaultdict(list)
    for (found, words), combinations in together.items():
        cells[found, _listed(combinations, set(every))].append(words)
    for found, where in sorted(cells, key=lambda one: (one[0], -len(one[1]), one[1])):
        yield f"| {where} | {'; '.join(cells[found, where])} | " + " | ".join(found) + " |"


def _worded(combination: str, labels: set[str], every: set[str]) -> Iterator[str]:
    if combination == "readonly":
        yield from [UNCHANGED] if labels - {"bind_foreign", "bind_file", "shadowed"} else []
        labels = labels & {"bind_foreign", "bind_file", "shadowed"}
    for name, cases in CLASSES.items():
        some = [words for label, words in cases.items() if label in labels]
        if some:
            whole = labels & set(cases) == every & set(cases)
            yield name if whole else f"{name}: {', '.join(some)}"


def _listed(some: list[str], every: set[str]) -> str:
    lacking = sorted(every - set(some))
    if len(lacking) <= 4:
        return "all" + (f" but {', '.join(lacking)}" if lacking else "")
    return ", ".join(sorted(some))


def reported() -> Iterator[str]:
    """Yield the rows of kernels that were reported: what each shows of a lower file, and what is answered of all."""
    with tempfile.TemporaryDirectory() as where:
        for name, one in patched.KERNELS.items():
            path = Path(where) / name
            path.write_bytes(patched.recording(name))
            answers = answered(path, patched.truth())
            known = [_summed(answers, question) for question in ("path", "state", "backing")]
            yield f"| {name} ({one.release}) | `{answers[1][1]['shown']['path']}` | " + " | ".join(known) + " |"


def _summed(answers: list, question: str) -> str:
    right = [case["label"] for case, answer in answers if verdicts(case, answer)[question] == "right"]
    if len(right) == len(answers):
        return "right"
    return f"right of {', '.join(right)}; else unknown" if right else "unknown"


def page() -> str:
    """Return the text of the page."""
    notes = Notes()
    lines = [_INTRODUCTION]
    for names, known in grouped({name: kernel(name, notes) for name in sorted(NAMES, key=_version)}):
        lines += [f"## Linux {', '.join(names)}\n", _HEAD, *rows(known), ""]
    lines += ["## What is lacking\n", *notes.lines(), "", _REPORTED, *reported()]
    return "\n".join(lines) + "\n"


_REPORTED = """\
## Kernels that were reported

Some cannot be had any more; their recordings are made of what was published about them (`tests/recording/patched.py`):
a bare slash, paths inside a layer, of a branch or of the host. Of each, the library of a container is shown here. None
of them tells in which namespace a mount is (Linux 6.8), so the name of a file by somebody else's mount is only known
where a mapping that mapsd makes of it is shown in the same way: by one mount, one inode and one text. Where a path is
unknown, nothing could tell it: a file that was unlinked may have been renamed before, what was made may have been
mapped by a link that is gone, what looks like a copy may be a new file of that name (before Linux 4.12), and a file of
nested overlays may have been mapped by the inner one. Each two of these show the same and leave the same layers behind,
which `tests/overlay/test_twins.py` does.

| kernel | maps shows | user path | state | backing |
| --- | --- | --- | --- | --- |"""


def main() -> None:
    Path(sys.argv[1]).write_text(page())


if __name__ == "__main__":
    main()
