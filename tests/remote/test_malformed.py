"""What is no answer is refused with its place, and whatever is taken for one prints without harm."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.answer import placed
from mapsd.cli import doctor, layers, lookup, translate, view, which
from mapsd.cli.arguments import parse
from mapsd.cli.terminal import Terminal
from mapsd.remote.decode.diagnosis import diagnosis
from mapsd.remote.decode.explanation import explained
from mapsd.remote.decode.fields import Fields, Malformed, loaded
from mapsd.remote.decode.mappings import process_answer
from mapsd.remote.decode.named import which as opened_by
from mapsd.remote.decode.openfiles import open_answer
from mapsd.remote.decode.overlays import process_layers
from mapsd.remote.decode.translated import translation
from mapsd.views import doctor as diagnosed
from mapsd.views import openfiles, overlayjson, render
from mapsd.views.explanation import lines
from mapsd.views.explanation.object import as_object
from mapsd.views.translationjson import translation_object
from tests.cli.answers import CONTROL, answer
from tests.cli.test_layers import HOUSED, overlay, process
from tests.cli.test_packages import FOUND
from tests.cli.test_translate import MADE
from tests.cli.test_which import COMPOSED, IN_IMAGE
from tests.remote import values


def looked_up(found):
    for form in ("--color=never", "--color=never --output-all", "--files --raw", "--json", "--ndjson"):
        for seen in (None, Terminal(80, 24)):
            yield from view.lines(parse(form.split(), lookup.COMMAND), seen, several=False)(iter([found]))


def packaged(found):
    for form in ("--color=never --packages", "--files --packages --raw", "--color=never --output-all",
                 "--packages --json"):
        for seen in (None, Terminal(80, 24)):
            yield from view.lines(parse(form.split(), lookup.COMMAND), seen, several=False)(iter([found]))


def layered(found):
    for words in (["1"], ["1", "--json"]):
        yield from layers.run(parse(words, layers.COMMAND), lambda _: found)[1]


def named(found):
    for words in (["1", "/"], ["1", "/", "--json"]):
        yield from which.run(parse(words, which.COMMAND), lambda *_: found)[1]


def translated(found):
    for words in (["1", "/"], ["1", "/", "--json"]):
        yield from translate.run(parse(words, translate.COMMAND), lambda *_: found)[1]


PACKAGED = answer(b"/a")._replace(packages=True, mappings=tuple(
    one._replace(package=FOUND[place % len(FOUND)]) for place, one in enumerate(answer(b"/a").mappings)))
ANSWERS: dict[str, tuple[dict, Callable, Callable]] = {
    "lookup": (render.as_json(answer(b"/a\\b")), process_answer, looked_up),
    "lookup of packages": (render.as_json(PACKAGED), process_answer, packaged),
    "explain": (as_object(answer(b"/lib")._replace(mappings=answer(b"/lib").mappings[:1])), explained,
                lambda found: (line for one in found.answer.mappings
                               for line in lines(found.explain(found.answer, one), 80))),
    "fds": (openfiles.as_object(values.open_answer()), open_answer, openfiles.table),
    "layers": (overlayjson.layers_object(process(overlay(b"x", overlay()))), process_layers, layered),
    "layers of an image": (overlayjson.layers_object(placed.overlays(process(overlay(b"x")), HOUSED)), process_layers,
                           layered),
    "which": (overlayjson.which_object(COMPOSED["a file"]), opened_by, named),
    "which in an image": (overlayjson.which_object(IN_IMAGE), opened_by, named),
    "translate": (translation_object(MADE), translation, translated),
    "doctor": (diagnosed.as_json(values.diagnosis()), diagnosis, lambda found: map(render.printable,
                                                                                  doctor.table(found)))}
JSON = {kind: json.dumps(whole) for kind, (whole, _, _) in ANSWERS.items()}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9)
    | st.sampled_from(["\ud800", "\0", "\x1b[31m", "0x" + "f" * 17, "1:", "unknown", "AA==", "\\x", -1, 1 << 64]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=3)


def places(part: object, above: tuple = ()):
    """Yield the way to everything in a JSON value."""
    if above:
        yield above
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in inner:
        yield from places(value, (*above, key))


def meddled(draw: Callable, kind: str) -> dict:
    """Return an answer in which something is missing or something else."""
    whole = json.loads(JSON[kind])
    *above, last = draw(st.sampled_from(list(places(whole))))
    part = whole
    for key in above:
        part = part[key]
    if draw(st.booleans()):
        part[last] = draw(anything)
    else:
        del part[last]
    return whole


@pytest.mark.parametrize("kind", ANSWERS)
@given(st.data())
def test_a_reply_that_is_meddled_with_is_refused_or_harmless(kind, data):
    _, decoded, printed = ANSWERS[kind]
    try:
        found = decoded(Fields(loaded(json.dumps(meddled(data.draw, kind)).encode())))
    except Malformed:
        return
    text = "\n".join(printed(found))
    assert not CONTROL - {0x0A} & set(map(ord, text))


@pytest.mark.parametrize(("body", "what"), [
    (b"", "no JSON"), (b"{", "no JSON"), (b"\xff", "no JSON"), (b"[" * 100_000, "no JSON"),
    (b"[]", "the reply: no object"), (b"{}", "schema: missing"),
    (b'{"schema": "mapsd/v2"}', "schema: not known: 'mapsd/v2'"),
    (b'{"schema": 1}', "schema: not known: '1'"), (b'{"schema": "mapsd/v1"}', "kernel: missing")])
def test_what_is_no_answer_at_all_is_said(body, what):
    with pytest.raises(Malformed) as raised:
        process_answer(Fields(loaded(body)))
    assert str(raised.value) == what


WRONG = {
    "start": (["4096", "0x", "0xG", "0x" + "1" * 17, 4096, None], "no address|no text"),
    "perms": (["rwx", "rwxsp", "wrxp", "\x1b[mp"], "no permissions"),
    "offset": (["1", 1.5, True, 1 << 64], "no number"), "shown": ([None], "no object"),
    "kind": (["fifo", None, []], "not known"), "state": (["fine"], "not known"), "proof": (["belief"], "not known"),
    "user_path": ([1, "\ud800", "a\0b"], "no text"), "build_id": (["xy", "f"], "not hexadecimal"),
    "user_path_base64": (["?", "AAA", "YQBi", 7], "no base64|a NUL byte"), "evidence": ([None, {}], "no list"),
    "needs": (["CAP_SYS_ADMIN", [1]], "no list|no text"), "mount": ([1, [], "x"], "no object")}


@pytest.mark.parametrize("field", WRONG)
def test_what_is_wrong_is_said_with_its_place(field):
    wrong, what = WRONG[field]
    for value in wrong:
        whole = json.loads(JSON["lookup"])
        whole["mappings"][0][field] = value
        with pytest.raises(Malformed, match=rf"^mappings\[0\]\.(user_path|{field})(\[0\])?: ({what})$|not known: "):
            process_answer(Fields(whole))


def test_the_place_is_the_whole_way():
    whole = json.loads(JSON["layers"])
    whole["overlays"][0]["layers"][1]["directory"]["inode"] = "7"
    with pytest.raises(Malformed, match=r"^overlays\[0\]\.layers\[1\]\.directory\.inode: no number$"):
        process_layers(Fields(whole))
