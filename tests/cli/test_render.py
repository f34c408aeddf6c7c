"""Text of any bytes: exact for a program, harmless for a terminal."""

import json
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from mapsd import render
from mapsd.model import Answer, Backing, DeviceId, Mount, ProcessAnswer, ProcessFacts, Vma
from tests.cli.command import exact
from tests.schema import mistake, unescaped, validate

ALPHABET = st.sampled_from([b"/", b"\\", b"x41", b"\n", b"\x1b[m", b"\x7f", b"\xff", b"\xc2\x85", b"\xc2\xa0", b"a",
                            b" ", "\u202e".encode(), "\u2028".encode(), b"\xed\xa0\x80", "\U0001f600".encode(),
                            b"\\012"])
PATHS = st.binary(max_size=40) | st.lists(ALPHABET, max_size=12).map(b"".join)
CONTROL = {*range(0x20), *range(0x7F, 0xA0)}


@given(PATHS)
@example("\u202e".encode())
def test_an_escaped_path_stands_for_its_exact_bytes(path):
    text = render.escaped(path)
    assert unescaped(text) == path
    assert not CONTROL & set(map(ord, text))


@given(PATHS)
def test_a_path_is_verbatim_unless_it_holds_a_backslash_a_control_or_invalid_utf_8(path):
    try:
        special = b"\\" in path or bool(CONTROL & set(map(ord, path.decode())))
    except UnicodeDecodeError:
        special = True
    fields = json.loads(json.dumps(render._path("path", path)))
    assert ("path_base64" in fields) == special
    assert (fields["path"] == path.decode("utf-8", "replace")) == (not special)
    assert exact(fields, "path") == path
    assert not mistake(fields["path"], fields.get("path_base64"))


@given(st.text() | PATHS.map(render.escaped))
def test_what_is_printable_is_unchanged_and_the_rest_is_escaped(text):
    shown = render.printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


def answer(path: bytes) -> ProcessAnswer:
    vma = Vma(4096, 8192, "r--p", 0, DeviceId(0, 48), 7, path)
    mount = Mount(1, 0, vma.device, b"/", path, path or b"x", b"")
    backing = Backing(path, vma.device, 7, path, True, "lower", 1, path)
    found = Answer(vma, "file", path, None, b"/proc/1/root/" + path, mount,
                   backing._replace(through=(backing,), metadata=backing), "current", "lookup")
    lost = Answer(vma, "file", state="unknown", reason="\x1b[31m")
    facts = ProcessFacts(1, 2, path, 0, path, 3, path)
    return ProcessAnswer(facts, "6.1", None, 0.0, (found, lost, Answer(vma, "heap")))


@given(PATHS)
def test_no_face_prints_a_raw_control_byte(path):
    table = list(render.table(answer(path)))
    assert all(line.isprintable() for line in table)
    assert len(table) == 4
    assert not CONTROL & set(json.dumps(render.as_json(answer(path))).encode())


@given(PATHS.filter(bool))
def test_an_answer_of_any_bytes_keeps_the_schema(path):
    made = answer(path)
    validate(json.loads(json.dumps(render.as_json(made._replace(mappings=made.mappings[::2])))))


@given(st.integers(0, 4_000_000_000_000))
def test_a_moment_is_utc_in_milliseconds(milliseconds):
    moment = datetime.fromisoformat(render._moment(milliseconds / 1000 + 0.0001))
    assert moment == datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
