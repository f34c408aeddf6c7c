"""What a daemon says as JSON prints, in every form, as the answer itself does."""

import json
from collections.abc import Callable

from hypothesis import assume, example, given
from hypothesis import strategies as st

from mapsd.cli import doctor, layers, lookup, translate, view, which
from mapsd.cli.arguments import parse
from mapsd.cli.terminal import Terminal
from mapsd.remote.decode import parts
from mapsd.remote.decode.diagnosis import diagnosis
from mapsd.remote.decode.explanation import explained
from mapsd.remote.decode.fields import Fields, loaded
from mapsd.remote.decode.mappings import process_answer
from mapsd.remote.decode.named import which as opened_by
from mapsd.remote.decode.openfiles import open_answer
from mapsd.remote.decode.overlays import process_layers
from mapsd.remote.decode.translated import translation
from mapsd.views import doctor as diagnosed
from mapsd.views import openfiles, overlayjson, render
from mapsd.views.explanation import explain, lines
from mapsd.views.explanation.object import as_object
from mapsd.views.translationjson import translation_object
from tests import test_explanation
from tests.cli.answers import answer as of_any_bytes
from tests.remote import values

FORMS = ["", "--output-all", "--raw --output-all", "--null --output-all", "--files", "--files --output-all --raw",
         "--json", "--ndjson", "--format=proc", "--color=always", "-o +FS_TYPE,EVIDENCE,MOUNT_ID",
         "--packages", "-o +DISTRIBUTION,PACKAGE_SOURCE,PACKAGE_REASON", "--files --packages --raw",
         "--packages --json"]


def wired(value: object, as_json: Callable, decoded: Callable):
    """Return what a client has of a value that a daemon has."""
    return decoded(Fields(loaded(json.dumps(as_json(value)).encode())))


@given(values.process_answers)
@example(of_any_bytes(b"\xff\x1b[m\\"))
def test_a_lookup_prints_the_same_in_every_form(answer):
    found = wired(answer, render.as_json, process_answer)
    for form in FORMS:
        asked = parse(form.split(), lookup.COMMAND)
        for seen in (None, Terminal(80, 24)):
            made = view.lines(asked, seen, several=False)
            assert list(made(iter([found]))) == list(made(iter([answer]))), form
    for wanted in view.filters(parse(["--overlay-only", "--state=current,unknown"], lookup.COMMAND)):
        assert list(map(wanted, found.mappings)) == list(map(wanted, answer.mappings))


@given(values.open_answers)
def test_open_files_print_the_same(answer):
    found = wired(answer, openfiles.as_object, open_answer)
    assert openfiles.as_object(found) == openfiles.as_object(answer)
    assert list(openfiles.table(found)) == list(openfiles.table(answer))
    assert openfiles.title(found) == openfiles.title(answer)


@given(values.process_layers, st.sampled_from([[], ["--json"]]))
def test_overlays_print_the_same(answer, words):
    found = wired(answer, overlayjson.layers_object, process_layers)
    asked = parse(["1", *words], layers.COMMAND)
    assert layers.run(asked, lambda _: found) == layers.run(asked, lambda _: answer)
    assert found.unions == tuple(one._replace(parent=0, root=b"", options=b"") for one in answer.unions)


@given(values.whiches, st.sampled_from([[], ["--json"]]))
def test_what_a_name_opens_prints_the_same(answer, words):
    found = wired(answer, overlayjson.which_object, opened_by)
    asked = parse(["1", "/", *words], which.COMMAND)
    assert which.run(asked, lambda *_: found) == which.run(asked, lambda *_: answer)
    assert found.failure == answer.failure


@given(values.translations, st.sampled_from([[], ["--json"]]))
def test_the_names_of_a_file_print_the_same(answer, words):
    found = wired(answer, translation_object, translation)
    asked = parse(["1", "/", *words], translate.COMMAND)
    assert translate.run(asked, lambda *_: found) == translate.run(asked, lambda *_: answer)
    assert found.wanted == answer.wanted


@given(values.diagnoses)
def test_what_was_found_of_a_machine_prints_the_same(answer):
    found = wired(answer, diagnosed.as_json, diagnosis)
    assert found == answer
    assert list(doctor.table(found)) == list(doctor.table(answer))


@given(test_explanation.answers(), values.names, st.integers(10, 300))
def test_an_explanation_prints_the_same(mapping, name, width):
    answer = test_explanation.answer(mapping, name=name)
    # No inode has 65 bits, and no text a NUL.
    assume(not any(never in json.dumps(render.as_json(answer)) for never in ("\\u0000", str(1 << 64))))
    found = wired(answer, as_object, explained)
    steps = explain(answer, mapping)
    told = found.explain(found.answer, found.answer.mappings[0])
    assert told == steps
    assert list(lines(told, width)) == list(lines(steps, width))
    assert as_object(*found) == as_object(answer)


@given(st.integers(0, 4_000_000_000_000))
def test_a_moment_is_the_same_millisecond(milliseconds):
    text = render.moment(milliseconds / 1000 + 0.0001)
    assert render.moment(parts.moment(Fields({"as_of": text}), "as_of")) == text


@given(values.names)
def test_an_escaped_text_without_its_bytes_is_exact(name):
    assert Fields({"fs_type": render.escaped(name)}).unescaped("fs_type") == name


def test_fields_that_nobody_knows_are_passed_over():
    whole = render.as_json(of_any_bytes(b"/lib"))
    known = process_answer(Fields(whole))
    whole["mappings"][0] |= {"colour": "red"}
    assert process_answer(Fields({**whole, "more": [1]})) == known


def test_the_harm_of_words_is_taken():
    step = {"step": "shown", "title": "\x1b]0;x\x07", "text": "x", "paragraphs": [["\x1b[31m", "a b"]]}
    whole = {**render.as_json(of_any_bytes(b"/lib")._replace(mappings=())), "mappings": []}
    mapping = {**render.as_json(of_any_bytes(b"/lib"))["mappings"][0], "explanation": [step]}
    answer, explain_one = explained(Fields({**whole, "mappings": [mapping]}))
    [found] = explain_one(answer, answer.mappings[0])
    assert (found.title, found.paragraphs) == (r"\x1b]0;x\x07", ((r"\x1b[31m", "a b"),))


