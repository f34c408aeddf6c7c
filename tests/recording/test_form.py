"""The form of a recording: whatever is cut off, added or altered is refused, by file and line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import RecordingError
from mapsd.recording import form, transcript
from mapsd.recording.transcript import Said, Transcript

SECTIONS = [("recorder", ['kernel\t"6.1"']),
            ("process 1", ["run lookup", "stat []\t1", "maps []\ttext 2", "| a", "| b"]), ("process 2", [])]


def whole() -> bytes:
    return b"".join(form.rendered((name, iter(lines)) for name, lines in SECTIONS))


def refused(text: bytes) -> RecordingError:
    with pytest.raises(RecordingError) as failure:
        form.parsed(text, b"/a/file")
    assert str(failure.value) == f"/a/file:{failure.value.line}: {failure.value.reason}"
    assert 1 <= failure.value.line <= text.count(b"\n") + 1
    return failure.value


def test_what_is_rendered_is_parsed_as_it_was_and_rendered_alike():
    assert [(one.name, one.lines) for one in form.parsed(whole(), b"f")] == SECTIONS
    lines = whole().split(b"\n")
    assert all(lines[one.first - 1].decode() == one.lines[0] for one in form.parsed(whole(), b"f") if one.lines)
    assert lines[0] == b"mapsd recording 1"


def test_a_recording_that_is_cut_off_anywhere_is_refused():
    for end in range(len(whole())):
        refused(whole()[:end])


@given(st.data())
def test_a_recording_with_a_line_altered_removed_doubled_or_moved_is_refused(data):
    lines = whole().split(b"\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    other = data.draw(st.sampled_from(lines) | st.binary(max_size=12) | st.just(lines[at] + b" "))
    how = data.draw(st.sampled_from(["alter", "remove", "double", "insert"]))
    changed = {"alter": [other], "remove": [], "double": [lines[at]] * 2, "insert": [other, lines[at]]}[how]
    altered = b"\n".join([*lines[:at], *changed, *lines[at + 1:]])
    if altered != whole():
        refused(altered)


@given(st.integers(0, len(whole()) - 1), st.integers(0, 255))
def test_a_recording_with_a_byte_altered_is_refused(at, byte):
    altered = whole()[:at] + bytes([byte]) + whole()[at + 1:]
    if altered != whole():
        refused(altered)


@pytest.mark.parametrize(("text", "line", "reason"), [
    (b"", 1, "no recording of mapsd's, or cut off in its first line"),
    (b"\x7fELF\0\0", 1, "no recording of mapsd's, or cut off in its first line"),
    (b"mapsd recording 2\nbegin x\n", 1, "another version of the form than this mapsd reads"),
    (b"mapsd recording 1\n", 2, "cut off or altered: neither a section nor the end"),
    (b"mapsd recording 1\nbegin x\ny\n", 2, "the section x has no end: cut off or altered"),
    (b"mapsd recording 1\nbegin x\ny\nend x sha256:00\n", 2, "the section x, up to line 4, was altered"),
    (b"mapsd recording 1\nbegin x\n\xff\n", 3, "a byte that no recording has")])
def test_what_is_wrong_is_said_of_its_line(text, line, reason):
    failure = refused(text)
    assert (failure.line, failure.reason) == (line, reason)


def test_a_section_of_another_recording_is_refused():
    other = b"".join(form.rendered(iter([("process 1", iter(["run fds"]))])))
    begin, end = whole().index(b"begin process 1"), whole().index(b"begin process 2")
    taken = other[other.index(b"begin"):other.index(b"complete")]
    assert refused(whole()[:begin] + taken + whole()[end:]).reason == (
        "the end of the recording is not that of its sections")


def written(**runs: dict) -> Transcript:
    made = Transcript()
    made.runs = {name: {question: [Said(one) for one in answers] for question, answers in run.items()}
                 for name, run in runs.items()}
    return made


def read(made: Transcript) -> Transcript:
    [section] = form.parsed(b"".join(form.rendered(iter([("process 1", made.lines())]))), b"f")
    return transcript.read(section, b"f")


def answers(made: Transcript) -> dict:
    return {name: {question: [one.text for one in said] for question, said in run.items()}
            for name, run in made.runs.items()}


def test_a_later_run_has_only_what_was_said_otherwise_than_in_the_first():
    made = written(lookup={"a []": ["1", "1"], "b []": ["1", "2", "2"], "c []": ["text 1\n| x"]},
                   fds={"a []": ["1"], "b []": ["2"], "c []": ["text 1\n| y"], "d []": ["3"]})
    assert answers(read(made)) == {
        "lookup": {"a []": ["1"], "b []": ["1", "2", "2"], "c []": ["text 1\n| x"]},
        "fds": {"b []": ["2"], "c []": ["text 1\n| y"], "d []": ["3"]}}


@pytest.mark.parametrize("lines", [
    ["a []\t1"], ["run lookup", "a []"], ["run lookup", "directory 0\t{}", "a"], ["directory 1\t{}"],
    ["run lookup", "a []\ttext 2", "| x"], ["run lookup", "a []\ttext -1"], ["run lookup", "a []\tlist 1", "x\t1"],
    ["run lookup", "a []\ttext 99999999999"], ["run lookup", "a []\ttext"]])
def test_lines_that_are_no_transcript_are_refused(lines):
    [section] = form.parsed(b"".join(form.rendered(iter([("process 1", iter(lines))]))), b"f")
    with pytest.raises(RecordingError):
        transcript.read(section, b"f")
