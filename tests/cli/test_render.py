"""Text of any bytes: exact for a program, harmless for a terminal."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapsd.model import Skipped
from mapsd.views import render
from tests.cli.answers import CONTROL, PATHS, answer
from tests.cli.command import exact
from tests.schema import mistake, unescaped, validate


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
    fields = json.loads(json.dumps(render.path_object("path", path)))
    assert ("path_base64" in fields) == special
    assert (fields["path"] == path.decode("utf-8", "replace")) == (not special)
    assert exact(fields, "path") == path
    assert not mistake(fields["path"], fields.get("path_base64"))


@given(st.text() | PATHS.map(render.escaped))
def test_what_is_printable_is_unchanged_and_the_rest_is_escaped(text):
    shown = render.printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


@given(PATHS)
def test_json_holds_no_raw_control_byte(path):
    assert not CONTROL & set(json.dumps(render.as_json(answer(path))).encode())


@given(PATHS.filter(bool))
def test_an_answer_of_any_bytes_keeps_the_schema(path):
    made = answer(path)
    validate(json.loads(json.dumps(render.as_json(made._replace(mappings=made.mappings[::2])))))


@given(st.integers(0, 4_000_000_000_000))
def test_a_moment_is_utc_in_milliseconds(milliseconds):
    moment = datetime.fromisoformat(render.moment(milliseconds / 1000 + 0.0001))
    assert moment == datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)


@pytest.mark.parametrize(("needs", "said"), [("CAP_SYS_PTRACE", "CAP_SYS_PTRACE"), ("", None)])
def test_a_part_that_was_not_read_needs_something_or_null(needs, said):
    made = answer(b"/file")
    part = Skipped("mounts", "they changed each time they were read", needs)
    found = validate(json.loads(json.dumps(render.as_json(made._replace(mappings=(), skipped=(part,))))))
    assert found["skipped"] == [{"what": "mounts", "reason": part.reason, "needs": said}]
