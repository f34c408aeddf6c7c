"""Answers in their other forms are the same answers, and whole: lines, pages, compressed, and not sent again."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.api.running import Daemon, daemon
from tests.cli.command import child, mapped

OF_US = f"/v1/processes/{os.getpid()}"
NDJSON = "application/x-ndjson"
ACCEPTED = {  # whether lines are answered
    "": 0, "*/*": 0, "application/*": 0, "application/json": 0, "text/html": 0, "image/png": 0, ",": 0, ";q=1": 0,
    "\xff": 0, "a" * 5000: 0, "application/json, application/x-ndjson": 0, "application/x-ndjson;q=0": 0,
    "application/x-ndjson; q=0.000": 0, NDJSON: 1, "application/x-ndjson, application/json": 1,
    "application/json;q=0, application/x-ndjson": 1, "text/html, APPLICATION/X-NDJSON;q=0.1": 1}
FORMS = ("", "?files=true", "?fields=start,state", "?files=true&fields=user_path", "?state=current")
SAME = ("{}", '"x", {}', '{}, "x"', '"a,b", {}', "*", " {} ", '"x",{weak}', "{weak}")
CHILDREN = 40


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Daemon]:
    with daemon(tmp_path_factory.mktemp("whole")) as made:
        yield made


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    with ExitStack() as stack:
        made = [stack.enter_context(subprocess.Popen(["sleep", "3600"])) for _ in range(CHILDREN)]
        yield made
        for child in made:
            child.kill()


def timeless(found: dict) -> dict:
    return {name: value for name, value in found.items() if name != "as_of"}


@pytest.mark.parametrize("query", FORMS)
def test_lines_are_what_the_object_has(served, children, query):
    target = f"/v1/processes/{children[0].pid}/mappings{query}"
    found = served.answer(target).json()
    head, *lines = served.answer(target, Accept=NDJSON).lines()
    name = "files" if "files=" in query else "mappings"
    assert lines
    assert timeless({**head, name: lines}) == timeless(found)


@pytest.mark.parametrize("accept", ACCEPTED)
def test_any_kind_may_be_asked_for_and_json_is_answered_but_to_who_names_lines(served, accept):
    answer = served.answer(f"{OF_US}/mappings", Accept=accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, NDJSON if ACCEPTED[accept] else "application/json")


@pytest.mark.parametrize("headers", [{}, {"Accept": NDJSON}])
def test_what_is_compressed_is_the_same(served, children, headers):
    target = f"/v1/processes/{children[0].pid}/mappings?fields=start,end,state,user_path"
    plain, small = (served.answer(target, Accept_Encoding=coding, **headers) for coding in ("identity", "gzip"))
    assert (plain.headers["Content-Encoding"], small.headers["Content-Encoding"]) == (None, "gzip")
    assert len(small.body) < len(plain.body) / 2
    assert [timeless(one) for one in small.lines()] == [timeless(one) for one in plain.lines()]
    assert small.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"


def test_what_is_short_is_not_compressed(served):
    assert served.answer("/v1/healthz", Accept_Encoding="gzip").headers["Content-Encoding"] is None


def pages(served: Daemon, limit: int, query: str = "") -> Iterator[list[dict]]:
    """Yield the processes of every page of one listing."""
    cursor = ""
    while cursor is not None:
        page = served.answer(f"/v1/processes?limit={limit}{query}{cursor and '&cursor='}{cursor}").json()
        yield page["processes"]
        cursor = page["next"]


def test_pages_are_one_listing_of_what_lines_have(served, children):
    whole = served.answer("/v1/processes", Accept=NDJSON).lines()
    paged = [one for page in pages(served, 7) for one in page]
    ours = {child.pid for child in children}
    assert [one for one in paged if one["pid"] in ours] == [one for one in whole if one["pid"] in ours]
    assert {one["pid"] for one in paged} >= ours
    assert [one["pid"] for one in paged] == sorted({one["pid"] for one in paged})


def test_a_listing_has_neither_who_came_later_nor_who_is_gone(served, children):
    listed = pages(served, 1)
    first = next(listed)
    children[0].kill()
    children[0].wait()
    with subprocess.Popen(["sleep", "3600"]) as later:
        found = {one["pid"] for page in [first, *listed] for one in page}
        later.kill()
    assert found >= {child.pid for child in children[1:]}
    assert not found & {children[0].pid, later.pid}


def test_a_page_may_be_asked_for_again(served, children):
    cursor = served.answer("/v1/processes?limit=1").json()["next"]
    pids = [[one["pid"] for one in served.answer(f"/v1/processes?limit={limit}&cursor={cursor}").json()["processes"]]
            for limit in (3, 3, 5)]
    assert pids[0] == pids[1] == pids[2][:3]
    assert children


def test_states_come_with_pages_and_lines(served, children):
    pids = {child.pid for child in children}
    paged = {one["pid"]: one["states"] for page in pages(served, 50, "&states=true") for one in page}
    lined = {one["pid"]: one["states"] for one in served.answer("/v1/processes?states=true", Accept=NDJSON).lines()}
    mapped = [one["state"] for one in served.answer(f"/v1/processes/{children[0].pid}/mappings").json()["mappings"]]
    expected = {state: mapped.count(state) for state in mapped if state is not None}
    assert {pid: paged[pid] for pid in pids} == {pid: lined[pid] for pid in pids} == dict.fromkeys(pids, expected)


@pytest.mark.parametrize("said", SAME)
@pytest.mark.parametrize("target", ["/v1/kernel", "/mappings", "/mappings?files=true", "/mappings?fields=state"])
def test_what_the_asker_has_is_not_sent_again(served, children, said, target):
    target = target if target.startswith("/v1") else f"/v1/processes/{children[0].pid}{target}"
    tag = served.answer(target).headers["ETag"]
    again = served.answer(target, If_None_Match=said.format(tag, weak=tag.removeprefix("W/")))
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)


@pytest.mark.parametrize("said", ["", '"x"', "W/", ",,,", "\xff", '"' + "x" * 5000 + '"', "W/W/{}", "x{}"])
def test_what_the_asker_does_not_have_is_sent(served, said):
    tag = served.answer("/v1/kernel").headers["ETag"]
    assert served.answer("/v1/kernel", If_None_Match=said.format(tag)).status == 200


def test_a_tag_is_another_one_when_the_answer_is(served, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(8192))
    with child(lambda: mapped(path)) as pid:
        target = f"/v1/processes/{pid}/mappings?fields=user_path,state"
        before = served.answer(target)
        assert served.answer(target, If_None_Match=before.headers["ETag"]).status == 304
        path.rename(tmp_path / "renamed")
        after = served.answer(target, If_None_Match=before.headers["ETag"])
    assert after.status == 200
    assert json.dumps(str(tmp_path / "renamed")) in after.body.decode()
