"""An explanation is made of values alone: what no kernel at hand shows, and anything that might be in an answer."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mapsd
from mapsd.model import (
    Absent,
    Answer,
    Backing,
    DeviceId,
    Evidence,
    FileFacts,
    Layer,
    Mount,
    ProcessAnswer,
    ProcessFacts,
    Refused,
    Trail,
    Vma,
)
from mapsd.views.explanation import filled, heading, is_meant, lines, stories
from mapsd.views.explanation.holding import NEEDS
from mapsd.views.explanation.verdict import KINDS

DISK, OVERLAY = DeviceId(254, 0), DeviceId(0, 48)
MOUNT = Mount(612, 1, OVERLAY, b"/", b"/", b"overlay", b"rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w")
LOWER = Backing(b"/l2/f", DISK, 5, b"ext4", True, "lower", 2, b"/l2")
UPPER = Backing(b"/u/f", DISK, 9, b"ext4", True, "upper", 0, b"/u")
FACTS = FileFacts("file", OVERLAY, 7, 1, 4096, 612, None, b"/f")
VMA = Vma(0x7F0000000000, 0x7F0000001000, "r--p", 0, OVERLAY, 7, b"/f")
LAYERS = (Layer("upper", 0, b"/u", None), Layer("lower", 1, b"/l1", None), Layer("lower", 2, b"/l2", None))
TRAIL = Trail("live", mapped=FACTS, source="link", layers=LAYERS, candidates=(LOWER, UPPER), copy="yes", rule="same")
COPIED = Answer(VMA, "file", b"/f", None, None, MOUNT, LOWER, "copied-up", "page-frame", trail=TRAIL)


def answer(*mappings: Answer, root: bytes | None = b"/", name: bytes = b"cat") -> ProcessAnswer:
    process = ProcessFacts(4242, 1, name, 0, b"/bin/cat", 1, root)
    return ProcessAnswer(process, "6.18", None, 0.0, mappings)


@dataclass
class Told:
    mapping: Answer
    root: bytes | None = b"/"

    def __getitem__(self, name: str) -> str:
        steps = mapsd.explain(answer(self.mapping, root=self.root), self.mapping)
        return next(step.text for step in steps if step.name == name)


def test_up_to_linux_6_7_the_numbers_are_believed_and_the_path_is_not():
    told = Told(COPIED._replace(vma=VMA._replace(device=DISK, inode=5), proof="kernel-inode", evidence=(
        Evidence("kernel-inode", "maps prints the backing file's device 254:0 and inode 5"),),
        trail=TRAIL._replace(candidates=(LOWER,), copy="", rule="")))
    assert "they may be believed. The path is the overlay's, and may open another file by now." in told["doubt"]
    assert "since Linux 6.8" not in told["doubt"]
    assert told["candidates"] == "The line names one file: - lower layer 2, device 254:0, inode 5: /l2/f"
    assert "device 254:0 and inode 5 So the mapping holds: - lower layer 2" in told["proof"]


def test_layers_that_were_not_found_are_named_as_their_mount_names_them():
    assert "1 upper layer and 2 lower layers; 0 of 3 were found by mapsd: - upper layer 0 (not recognised): /u" in (
        Told(COPIED)["mount"])
    many = tuple(Layer("lower", place, b"/l%d" % place, None, certain=False) for place in range(1, 30))
    told = Told(COPIED._replace(trail=TRAIL._replace(layers=many)))["mount"]
    assert "no upper layer and 29 lower layers; 0 of 29 were found by mapsd." in told
    assert "which is which is not sure" in told
    assert "/l17" not in told


def test_layers_that_nobody_looked_at_are_counted_from_the_options():
    unasked = COPIED._replace(trail=Trail("unknown", unnamed="nobody knows"))
    assert "1 upper layer and 2 lower layers by its mount options; they were not looked at." in Told(unasked)["mount"]
    unseen = unasked._replace(mount=None, trail=Trail("detached", layers=(Layer("upper", 0, b"", None),)))
    assert "its mount options cannot be seen" in Told(unseen)["mount"]


def test_a_served_filesystem_is_no_overlay_of_the_kernels():
    mount = MOUNT._replace(fs_type=b"fuse.fuse-overlayfs")
    told = Told(COPIED._replace(mount=mount, backing=None, state="current", proof="none", trail=Trail(
        "live", mapped=FACTS, source="link"), reason="served"))
    assert "is served from other files" in told["doubt"]
    assert "So the state is current: the path opens the very data file" in told["name"]
    assert "never copied up" not in told["name"]


def test_a_file_that_a_server_has_open_is_told_as_what_it_is():
    mount = MOUNT._replace(fs_type=b"fuse.fuse-overlayfs")
    served = COPIED._replace(mount=mount, state="current", proof="lookup", trail=TRAIL._replace(
        candidates=(LOWER,), copy="", rule="only"), evidence=(Evidence("contents", "2 pages"),))
    told = Told(served)
    assert told["candidates"] == (
        "The one that its server has open by this name in its layers: - lower layer 2, device 254:0, inode 5: /l2/f")
    assert told["proof"].startswith("The kernel says which process serves the file")
    assert "The overlay" not in "".join(told[name] for name in ("doubt", "mount", "name", "candidates", "proof"))


def test_what_several_candidates_have_in_common_is_said_once():
    silent = "no page of the file is present in the mapping"
    evidence = tuple(Evidence("page-frame", f"{what}: {silent}") for what in ("the lower file", "the upper file"))
    told = Told(COPIED._replace(backing=None, proof="none", state="unknown", evidence=evidence,
                                reason=f"undecided; {evidence[0].detail}; {silent}", needs=tuple(NEEDS)))["proof"]
    assert f"- page-frame: the lower file, the upper file: {silent}" in told
    assert "This stood in the way: undecided." in told
    assert all(f"- {need}" in told for need in NEEDS)


def test_a_name_that_only_the_kernels_own_entries_tell():
    told = Told(COPIED._replace(trail=TRAIL._replace(source="dentries")))
    assert "The link" not in told["name"]
    assert "a BPF iterator read" in told["name"]


def test_a_root_of_its_own_is_named():
    assert "The root of the process is /jail" in Told(COPIED, b"/jail")["doubt"]
    assert "root" not in Told(COPIED)["doubt"]


def test_an_answer_that_never_settled_is_explained():
    told = Told(Answer(VMA, "file", state="unknown", reason="the mappings changed each time"))
    assert "since the mappings changed each time." in told["name"]
    assert told["verdict"].startswith("unknown: which file memory holds is not known")


def test_mappings_with_one_answer_are_one_story():
    def moved(pages: int) -> Answer:
        return COPIED._replace(vma=VMA._replace(start=VMA.start + pages * 4096, end=VMA.end + pages * 4096))
    heap = Answer(VMA._replace(start=1, end=2, name=b"[heap]"), "heap")
    found = stories([heap, COPIED, moved(1), moved(2)._replace(state="current"), moved(3)])
    assert [len(story) for story in found] == [1, 3, 1]
    words = [" ".join(line) for line in heading(answer(name=b"a\x1bb"), found[1])]
    assert words[0] == r"Mapping 7f0000000000-7f0000001000 of process 4242 (a\x1bb)"
    assert words[1] == ("2 other mappings of the file with the same answer: "
                        "7f0000001000-7f0000002000, 7f0000003000-7f0000004000")
    many = [moved(number) for number in range(20)]
    assert " ".join(list(heading(answer(), many))[1]).endswith(" and 11 more")


@pytest.mark.parametrize(("wanted", "meant"), [
    (VMA.start, True), (VMA.end - 1, True), (VMA.end, False), (b"/f", True), (b"/l2/f", True), (b"/u/f", False),
    (b"/shown", True), (b"/shown (deleted)", True), (b"f", False), (b"", False)])
def test_an_address_or_a_path_means_a_mapping(wanted, meant):
    shown = COPIED._replace(vma=VMA._replace(name=b"/shown (deleted)"), user_path=None)
    assert is_meant(COPIED if wanted == b"/f" else shown, wanted) == meant


def test_the_mark_of_a_deleted_name_is_part_of_a_name_that_is_known():
    live = COPIED._replace(vma=VMA._replace(name=b"/x (deleted)"), user_path=b"/x (deleted)")
    assert is_meant(live, b"/x (deleted)")
    assert not is_meant(live, b"/x")


def test_a_newline_may_be_printed_as_it_is_or_escaped():
    mapping = COPIED._replace(vma=VMA._replace(name=rb"/a\012b"), user_path=None)
    assert is_meant(mapping, b"/a\nb")
    assert is_meant(mapping, rb"/a\012b")


def test_lines_are_filled_and_words_are_never_cut():
    words = ("-", "some", "words", "and", "/a path/with blanks/" + "x" * 60, "end")
    assert list(filled(words, 20, 3)) == ["   - some words and", "     /a path/with blanks/" + "x" * 60, "     end"]
    assert list(filled(("one",), 1)) == ["one"]


names = st.binary(min_size=1, max_size=12).map(lambda name: b"/" + name.replace(b"\0", b"0"))
paths = st.none() | names
numbers = st.none() | st.integers(0, 1 << 64)
texts = st.text(max_size=20)
backings = st.builds(
    Backing, paths, st.none() | st.just(DISK), numbers, st.none() | st.just(b"ext4"), st.booleans(),
    st.sampled_from([None, "upper", "lower", "data"]), st.none() | st.integers(0, 9), paths,
    st.just(()) | st.just((UPPER,)), st.none() | st.just(LOWER))
founds = st.none() | st.just(FACTS) | st.just(Absent()) | st.just(Refused("why"))
fs_types = st.sampled_from([b"overlay", b"ext4", b"fuse.x"])
mounts = st.none() | st.builds(Mount, st.integers(0, 99), st.just(1), st.just(OVERLAY), st.just(b"/"),
                               names, fs_types, st.binary(max_size=30))
trails = st.builds(
    Trail, st.sampled_from(["", "live", "deleted", "replaced", "covered", "detached", "unreachable", "unknown"]), texts,
    st.none() | st.just(FACTS), st.sampled_from(["", "link", "path", "dentries"]), founds, mounts, st.booleans(),
    st.just(()) | st.just(LAYERS), st.lists(backings, max_size=3).map(tuple),
    st.sampled_from(["", "yes", "no", "unknown"]), texts, st.sampled_from(["", "only", "same", "rest"]),
    st.none() | texts)
evidence = st.lists(st.builds(Evidence, st.sampled_from(["mount", "page-frame", "bpf", "lookup"]), texts), max_size=4)
states = ["current", "copied-up", "replaced", "deleted", "covered", "detached", "unreachable", "unknown"]
proofs = ["kernel-inode", "sole-candidate", "page-frame", "build-id", "bpf", "lookup"]


@st.composite
def answers(draw) -> Answer:
    """Answers that keep the contract's rules, with anything else in them."""
    state = draw(st.sampled_from(states))
    named = draw(names) if state in {"current", "copied-up", "replaced", "deleted"} else None
    maybe = draw(paths) if state in {"covered", "unknown"} else named
    backing = draw(st.none() | backings)
    return Answer(VMA._replace(name=draw(names)), "file", maybe, None, None, draw(mounts), backing, state,
                  "none" if backing is None else draw(st.sampled_from(proofs)), tuple(draw(evidence)),
                  draw(st.none() | texts), tuple(draw(st.lists(st.sampled_from([*NEEDS, "CAP_X"]), max_size=3))), None,
                  draw(trails))


@given(answers(), paths, st.integers(10, 300))
def test_any_answer_is_explained_without_a_control_byte(mapping, root, width):
    steps = mapsd.explain(answer(mapping, root=root), mapping)
    assert len(steps) == 7
    assert all(step.text.isprintable() for step in steps)
    assert all(paragraph and all(paragraph) for step in steps for paragraph in step.paragraphs)
    shown = list(lines(steps, width))
    assert all(line.isprintable() for line in shown)
    assert steps[-1].text.startswith(f"{mapping.state}: ")
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(
        f"{place}. {step.title} {step.text}" for place, step in enumerate(steps, 1)).split())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_explained(kind):
    mapping = Answer(VMA, kind)
    assert [step.name for step in mapsd.explain(answer(mapping), mapping)] == ["shown", "kind", "verdict"]
