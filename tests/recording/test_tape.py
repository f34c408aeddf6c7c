"""What was asked is answered again, each time as it was; what was not asked is not known."""

import pytest

from mapsd.errors import AccessDenied, NotRecorded, ProcessGone, RecordingError
from mapsd.model import Absent, DeviceId, FileFacts, Handle, LayerDir, OverlayHandle, Refused, Vma
from mapsd.ports import ByHandle, InRoot
from mapsd.recorder.tape import Recorder, Replay
from mapsd.recording import codec, nouns, questions
from mapsd.recording.plain import Plain
from mapsd.recording.transcript import Said

FILE = FileFacts("file", DeviceId(8, 1), 7, 1, 4096, 20, None, b"/a")
LAYER = LayerDir(3, b"/layer", FILE._replace(kind="directory"), 5, ((b"/", 1), (b"/layer", 2)))


def recorded(*runs):
    """Return a recorder that was told answers: each run is a name and (question, arguments, answer)s."""
    recorder = Recorder(Plain())
    for name, *asked in runs:
        recorder.begin(name)
        for question, args, answer in asked:
            told(recorder, question, args, answer)
    return recorder


def told(recorder, question, args, answer):
    def live():
        if isinstance(answer, Exception):
            raise answer
        return answer
    try:
        recorder.ask(question, args, live)
    except type(answer):
        assert isinstance(answer, Exception)


def replay(recorder, run="lookup"):
    return Replay(recorder.transcript, run, 7, b"/file")


def never():
    raise AssertionError("a replay asks nobody")


def ask(tape, question, *args):
    return tape.ask(question, args, never)


def test_an_answer_is_given_again_whenever_it_is_asked_for():
    tape = replay(recorded(("lookup", (questions.NAMED, (b"/a",), FILE), (questions.NAMED, (b"/b",), Absent()))))
    assert [ask(tape, questions.NAMED, name) for name in (b"/b", b"/a", b"/b", b"/a")] == [Absent(), FILE] * 2


def test_what_was_said_otherwise_each_time_is_said_so_again_and_the_last_time_stays():
    said = [b"one", b"two", b"two", b"one"]
    tape = replay(recorded(("lookup", *((questions.MAPS, (), text) for text in said))))
    assert [ask(tape, questions.MAPS) for _ in range(6)] == [*said, b"one", b"one"]


def test_what_differed_in_the_first_run_is_not_known_to_a_command_that_was_not_recorded():
    tape = replay(recorded(("lookup", (questions.NAMED, (b"/a",), FILE), (questions.NAMED, (b"/a",), Absent()),
                            (questions.NAMED, (b"/b",), FILE))), run='which "/x"')
    assert ask(tape, questions.NAMED, b"/a") == questions.LOST
    assert ask(tape, questions.NAMED, b"/b") == FILE


def test_a_later_run_has_its_own_answers_and_leans_on_the_first():
    recorder = recorded(("lookup", (questions.NAMED, (b"/a",), FILE), (questions.NAMED, (b"/b",), FILE)),
                        ("fds", (questions.NAMED, (b"/a",), Absent()), (questions.NAMED, (b"/b",), FILE)))
    assert ask(replay(recorder), questions.NAMED, b"/a") == FILE
    assert [ask(replay(recorder, "fds"), questions.NAMED, name) for name in (b"/a", b"/b")] == [Absent(), FILE]


def test_a_later_run_has_nothing_of_what_differed_in_the_first():
    recorder = recorded(("lookup", (questions.NAMED, (b"/a",), FILE), (questions.NAMED, (b"/a",), Absent())),
                        ("fds", (questions.NAMED, (b"/b",), FILE)))
    assert ask(replay(recorder, "fds"), questions.NAMED, b"/a") == questions.LOST


@pytest.mark.parametrize("failure", [ProcessGone(7, seen=True), AccessDenied("7: maps", "CAP_SYS_PTRACE")])
def test_a_failure_is_met_again_where_it_was_met(failure):
    tape = replay(recorded(("lookup", (questions.MAPS, (), b"one"), (questions.MAPS, (), failure))))
    assert ask(tape, questions.MAPS) == b"one"
    with pytest.raises(type(failure), match=str(failure)):
        ask(tape, questions.MAPS)


UNKNOWN = {name: question for name, question in vars(questions).items() if isinstance(question, questions.Question)}
DEMANDED = {"OPEN", "STAT_LINE", "MOUNTINFO", "STATUS", "MAPS_OPENED", "MAPS", "RELEASE", "NOW", "FD_NAMES",
            "EXAMINED", "HOUSED"}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_question_that_was_not_recorded_is_never_answered_by_a_finding(name):
    question = UNKNOWN[name]
    args = tuple(None if name == "SEARCH" and one not in dict(SAMPLES) else _argument(one) for one in question.asked)
    if name in DEMANDED:
        with pytest.raises(NotRecorded, match="is not recorded in /file"):
            ask(replay(recorded(("lookup",))), question, *args)
        return
    found = ask(replay(recorded(("lookup",))), question, *args)
    doubtful = [None, (), questions.LOST, questions.SILENT, "other"]
    known = {"WALK": lambda: found.found == questions.LOST, "PLACE_OF": lambda: found.place == "unknown",
             "DEFAULT": lambda: found is True, "TRUSTED": lambda: found is False, "FD_SHMEM": lambda: found is False,
             "BOOTED": lambda: found == 0}
    assert known[name]() if name in known else found in doubtful


HANDLE = OverlayHandle(True, bytes(16), Handle(1, b"x"))
SAMPLES = [(codec.TEXT, ""), (codec.PATH, b""), (codec.NUMBER, 0), (nouns.DIRECTORY, LAYER),
           (nouns.VMA, Vma(0, 1, "r--p", 0, DeviceId(0, 1), 2, b"/a")), (nouns.FILE_REF, InRoot(b"/")),
           (nouns.OVERLAY_HANDLE, HANDLE), (nouns.BY_HANDLE, ByHandle(HANDLE))]


def _argument(wanted):
    # Others are of what may be missing, or of several.
    return next((one for spelling, one in SAMPLES if spelling is wanted), ())


def test_a_directory_of_a_layer_has_one_number_however_often_it_was_opened():
    again = LAYER._replace(key=9)
    recorder = recorded(("lookup", (questions.DIRECTORIES, (b"/layer", ()), (LAYER,)),
                         (questions.IN_LAYER, (LAYER, b"x", "trusted.overlay."), FILE),
                         (questions.IN_LAYER, (again, b"y", "trusted.overlay."), Absent())))
    assert len(recorder.transcript.directories) == 1
    tape = replay(recorder)
    [found] = ask(tape, questions.DIRECTORIES, b"/layer", ())
    assert found == LAYER._replace(key=0)
    assert ask(tape, questions.IN_LAYER, found, b"x", "trusted.overlay.") == FILE
    assert ask(tape, questions.IN_LAYER, found, b"y", "trusted.overlay.") == Absent()
    assert isinstance(ask(tape, questions.IN_LAYER, found, b"z", "trusted.overlay."), Refused)


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"file": {}}', "null", "NaN", '{"absent": {}, "absent": {}}', "text 0", "raised {}",
    '{"absent": ' * 2000])
def test_an_answer_that_is_none_is_refused_by_its_line(text):
    recorder = recorded(("lookup", (questions.NAMED, (b"/a",), FILE)))
    [key] = recorder.transcript.first()
    recorder.transcript.first()[key] = [Said(text, 12)]
    with pytest.raises(RecordingError, match=r"^/file:12: "):
        ask(replay(recorder), questions.NAMED, b"/a")


def test_what_the_recorder_itself_ran_out_of_says_nothing_about_the_process():
    recorder = recorded(("lookup",))

    def exhausted():
        raise OSError(24, "Too many open files")
    with pytest.raises(OSError, match="Too many open files"):
        recorder.ask(questions.NAMED, (b"/a",), exhausted)
    assert recorder.transcript.first() == {}
