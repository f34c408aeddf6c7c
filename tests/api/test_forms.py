"""Answers in their forms: text by text what one dump would be, files in place of mappings, only some fields."""

import json

import pytest
from starlette.requests import Request

from mapsd import Session
from mapsd.model import Answer, DeviceId, ProcessAnswer, ProcessFacts, Vma
from mapsd.views.render import as_json, moment
from mapsd_api.answers import forms
from mapsd_api.answers.fragments import PROCESSES, Fragments
from mapsd_api.answers.responses import tagged, unless_known, wants_lines
from tests.cli.command import child, mapped

HOSTILE = b'x"mappings": []\\\n\xff'


@pytest.fixture
def answer(tmp_path):
    (tmp_path / "one").write_bytes(b"." * 4096)
    with child(lambda: mapped(tmp_path / "one", tmp_path / "one")) as pid, Session() as session:
        yield session.lookup(pid)


def hostile(pid: int = 7) -> ProcessAnswer:
    process = ProcessFacts(pid, 1, HOSTILE, 0, HOSTILE, None, HOSTILE)
    vma = Vma(0x1000, 0x2000, "r--p", 0, DeviceId(8, 1), 3, b"/" + HOSTILE)
    return ProcessAnswer(process, "6.18", None, 1.5, (Answer(vma, "file", state="unknown", reason="why"),) * 2)


def request(**headers: str) -> Request:
    found = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": found})


def test_texts_that_were_kept_make_the_same_json_as_one_dump_of_all(answer):
    fragments = Fragments(there)
    for one in (answer, answer, hostile(), answer._replace(mappings=answer.mappings[2:]), hostile(), answer,
                answer._replace(mappings=())):
        assert fragments.whole(one).body.decode() == json.dumps(as_json(one))
        parts = forms.one_by_one(as_json(one))
        assert fragments.lines(one).decode().splitlines() == [json.dumps(part) for part in parts]


def there(_pid):
    return True


def test_texts_of_processes_that_have_ended_are_forgotten_when_another_is_asked_about():
    living = {1, 2, 3}
    fragments = Fragments(living.__contains__)
    for pid in (1, 2, 3):
        fragments.whole(hostile(pid))
    living.remove(2)
    fragments.whole(hostile(3))
    assert list(fragments._of) == [1, 2, 3]
    fragments.whole(hostile(4))
    assert list(fragments._of) == [1, 3, 4]


def test_texts_are_kept_of_a_bounded_number_of_processes():
    fragments = Fragments(there)
    for pid in range(1, 2 * PROCESSES):
        fragments.whole(hostile(pid))
    assert len(fragments._of) == PROCESSES


def test_texts_are_kept_of_a_bounded_number_of_mappings(monkeypatch):
    monkeypatch.setattr("mapsd_api.answers.fragments.MAPPINGS", 5)
    fragments = Fragments(there)
    for pid in (1, 2, 3, 4):
        fragments.whole(hostile(pid))
    assert list(fragments._of) == [3, 4]


def test_texts_of_answers_that_are_the_same_ones_are_not_made_again(answer, monkeypatch):
    fragments, made = Fragments(there), []
    monkeypatch.setattr("mapsd_api.answers.fragments.mapping_object", lambda one: made.append(one) or {"n": len(made)})
    first = fragments.whole(answer)
    assert fragments.whole(answer) == first
    assert made == list(answer.mappings)
    changed = answer.mappings[1]._replace(reason="another")
    fragments.whole(answer._replace(mappings=(answer.mappings[0], changed, *answer.mappings[2:])))
    assert made == [*answer.mappings, changed]


def test_mappings_of_one_file_are_one_entry_with_the_place_of_each(answer):
    whole = forms.files(answer, ())
    assert "mappings" not in whole
    assert {name for entry in whole["files"] for name in forms.PLACE if name in entry} == set()
    places = [place for entry in whole["files"] for place in entry["mappings"]]
    wanted = [{name: mapping[name] for name in forms.PLACE} for mapping in as_json(answer)["mappings"]
              if mapping["state"] is not None]
    assert sorted(places, key=str) == sorted(wanted, key=str)
    assert len(whole["files"]) < len(places)


def test_a_field_that_is_asked_for_comes_with_its_exact_bytes():
    shown = forms.mappings(hostile(), ("state", "shown"))["mappings"]
    assert [set(one) for one in shown] == [{"state", "shown"}] * 2
    [file] = forms.files(hostile(), ("user_path", "start"))["files"]
    assert set(file) == {"mappings", "user_path"}


def test_states_are_counted_in_the_order_of_the_contract(answer):
    found = forms.states(answer)
    assert found["current"] == sum(mapping.state == "current" for mapping in answer.mappings)
    assert "deleted" not in found


def test_lines_are_the_object_without_its_list_and_then_the_list(answer):
    for whole, name in ((forms.mappings(answer, ()), "mappings"), (forms.files(answer, ()), "files")):
        head, *rest = forms.one_by_one(whole)
        assert head | {name: rest} == whole
        assert name not in head


def test_an_answer_that_the_asker_has_is_not_sent_again_whenever_it_was_made():
    body, then = b'{"as_of": "2026-01-01T00:00:00.000Z", "a": 1}', "2026-01-01T00:00:00.000Z"
    first = unless_known(request(), tagged(body, then))
    tag = first.headers["etag"]
    body, later = b'{"as_of": "2026-01-01T00:00:09.000Z", "a": 1}', "2026-01-01T00:00:09.000Z"
    for said in (f'"x", {tag}', tag.removeprefix("W/")):
        again = unless_known(request(if_none_match=said), tagged(body, later))
        assert (again.status_code, again.body, again.headers["etag"]) == (304, b"", tag)
    other = unless_known(request(if_none_match=tag), tagged(body.replace(b"1}", b"2}"), later))
    assert (other.status_code, other.body) == (200, b'{"as_of": "2026-01-01T00:00:09.000Z", "a": 2}')


def test_the_tag_of_an_answer_is_of_all_but_its_time(answer):
    fragments = Fragments(there)
    tag = fragments.whole(answer).tag
    assert fragments.whole(answer._replace(as_of=answer.as_of + 1)).tag == tag
    for other in (answer._replace(mappings=answer.mappings[1:]), answer._replace(release="another"),
                  answer._replace(mappings=(answer.mappings[0]._replace(reason="another"), *answer.mappings[1:]))):
        assert fragments.whole(other).tag != tag


def test_the_time_of_an_answer_is_the_first_text_that_can_be_it(answer):
    body = json.dumps(as_json(answer))
    assert body.index(json.dumps(moment(answer.as_of))) < body.index('"mappings"')


@pytest.mark.parametrize(("accept", "lines"), [
    ("", False), ("*/*", False), ("application/json", False), ("application/x-ndjson", True),
    ("application/x-ndjson, application/json", True), ("application/json, application/x-ndjson", False),
    ("text/html, Application/X-NDJSON;q=0.9", True),
    ("application/x-ndjson; q=0.0", False), ("application/json;q=0, application/x-ndjson", True)])
def test_lines_are_for_who_names_them(accept, lines):
    assert wants_lines(request(accept=accept)) is lines
