"""Columns: the contract's fields by their names, exact for a program and harmless for a reader."""

import re

import pytest
from hypothesis import given

from mapsd.cli import lookup
from mapsd.cli.arguments import parse
from mapsd.errors import UsageError
from mapsd.model import Answer, Backing, DeviceId
from mapsd.views import columns, exact, render
from mapsd.views.columns import COLUMNS, Row
from tests.cli.answers import NAMES, PATHS, answer, mapping, process
from tests.cli.command import as_json, child, mapped, mapsd, said

BY_NAME = {column.name: column for column in COLUMNS}
# What a column is called where the contract's field is inside another.
INSIDE = {("process", "pid"): "PID", ("process", "name"): "NAME", ("process", "uid"): "UID", ("process", "exe"): "EXE",
          ("process", "root"): "ROOT", ("process", "mount_namespace"): "MOUNT_NAMESPACE",
          ("shown", "path"): "SHOWN", ("shown", "device"): "SHOWN_DEVICE", ("shown", "inode"): "SHOWN_INODE",
          ("mount", "mount_point"): "MOUNT", ("mount", "id"): "MOUNT_ID", ("mount", "device"): "MOUNT_DEVICE",
          ("mount", "fs_type"): "FS_TYPE", ("backing", "path"): "BACKING", ("backing", "device"): "BACKING_DEVICE",
          ("backing", "inode"): "BACKING_INODE", ("backing", "fs_type"): "BACKING_FS_TYPE"}
DIRECT = {"start", "end", "perms", "offset", "kind", "user_path", "host_path", "openable_path", "state", "confidence",
          "proof", "build_id", "reason"}


def rows(found):
    return [Row(found.process, one, (one,)) for one in found.mappings]


def printed(*words: str, of=None) -> list:
    """Return what a command prints of answers, and no kernel is asked."""
    given = {one.process.pid: one for one in of or [process(mapping(1, b"/a"), mapping(2, b"/a", None))]}
    status, lines = lookup.run(parse([*words, *map(str, given)], lookup.COMMAND), lambda pid, _: given[pid])
    assert status == 0
    return lines


def test_every_column_has_a_name_in_capitals_and_a_meaning():
    assert len(BY_NAME) == len(COLUMNS)
    assert all(re.fullmatch("[A-Z_]+", column.name) and column.about for column in COLUMNS)


def test_a_column_is_the_contracts_field_of_its_name():
    with child(lambda: mapped(__file__)) as pid:
        told = as_json(pid)
        fields = {name.upper() for name in DIRECT} | set(INSIDE.values())
        lines = mapsd(pid, "-r", "-n", "-o", ",".join(sorted(fields))).stdout.decode().splitlines()
    assert len(lines) == len(told["mappings"])
    for line, of in zip(lines, told["mappings"], strict=True):
        said_by = dict(zip(sorted(fields), line.split(" "), strict=True))
        for (whole, field), name in INSIDE.items():
            holder = told["process"] if whole == "process" else of[whole]
            assert said_by[name] == raw(holder and holder[field]), (whole, field)
        for name in DIRECT:
            assert said_by[name.upper()] == raw(of[name]), name


def raw(value: object) -> str:
    return "" if value is None else str(value).replace(" ", r"\x20")


def test_every_field_of_a_mapping_has_a_column():
    fields = render.as_json(process(mapping(1, b"/a")))["mappings"][0]
    elsewhere = {"shown", "mount", "backing", "evidence", "needs"}
    assert set(fields) == DIRECT | elsewhere
    assert {"EVIDENCE", "NEEDS", "LAYER", "LAYER_PATH", "METADATA", "THROUGH"} <= set(BY_NAME)


def test_a_row_of_several_mappings_counts_them():
    first, second = mapping(1, b"/a"), mapping(4, b"/a")
    row = Row(process().process, first, (first, second))
    assert [BY_NAME[name].value(row) for name in ("MAPPINGS", "SIZE", "START")] == ["2", "8192", "0x1000"]


def cells(name: str, **fields) -> tuple:
    held = mapping(1, b"/a")
    column, row = BY_NAME[name], rows(process(held._replace(**fields)))[0]
    return column.value(row), columns.text(column, row)


BACKING = mapping(1, b"/a").backing


@pytest.mark.parametrize(("backing", "value", "text"), [
    (BACKING, "lower:1", "lower:1"), (BACKING._replace(layer_index=None), "lower", "lower"),
    (BACKING._replace(layer_role=None, layer_index=None), "?", "?"), (BACKING._replace(overlaid=False), None, "-"),
    (None, None, "-"), (BACKING._replace(layer_role="upper", layer_index=0), "upper:0", "upper:0")])
def test_a_layer_is_its_role_and_index(backing, value, text):
    assert cells("LAYER", backing=backing) == (value, text)


@pytest.mark.parametrize(("backing", "value", "text"), [
    (BACKING, b"/l/a", "/l/a"), (None, None, "? why"),
    (BACKING._replace(path=None), None, "(no name) 0:48 inode 7"),
    (Backing(None, None, None, None), None, "(no name) ? inode ?")])
def test_a_backing_file_without_a_path_is_identified(backing, value, text):
    assert cells("BACKING", backing=backing, reason="why") == (value, text)


@pytest.mark.parametrize(("fields", "value", "text"), [
    ({}, b"/a", "/a"), ({"user_path": None, "state": "unknown"}, None, "? /a"), ({"user_path": b"\n"}, b"\n", r"\x0a"),
    ({"user_path": None, "state": None, "kind": "heap"}, None, "[heap]")])
def test_a_user_path_that_is_not_established_is_marked(fields, value, text):
    assert cells("USER_PATH", **fields) == (value, text)


def test_what_is_no_file_has_no_state_proof_and_confidence():
    row = rows(process(mapping(1, b"[heap]", None)))[0]
    assert [BY_NAME[name].value(row) for name in ("STATE", "PROOF", "CONFIDENCE", "BACKING", "LAYER", "MOUNT")] == [
        None] * 6


def test_overlays_crossed_and_metadata_have_their_columns():
    outer = Backing(None, DeviceId(0, 5), None, None)
    backing = BACKING._replace(through=(BACKING, outer), metadata=BACKING._replace(path=b"/meta"))
    assert cells("THROUGH", backing=backing) == ("0:48/7 0:5/?",) * 2
    assert cells("METADATA", backing=backing) == (b"/meta", "/meta")
    assert [cells(name, backing=None)[0] for name in ("THROUGH", "METADATA")] == [None, None]


def test_a_backing_file_that_has_the_users_name_is_the_same_for_a_reader():
    same = rows(process(mapping(1, b"/a", backing=BACKING._replace(path=b"/a"))))[0]
    other = rows(process(mapping(1, b"/a")))[0]
    assert [columns.brief(BY_NAME["BACKING"], row) for row in (same, other)] == [columns.SAME, "/l/a"]
    assert columns.text(BY_NAME["BACKING"], same) == "/a"
    nameless = rows(process(Answer(mapping(1, b"").vma, "file", state="unknown", backing=BACKING._replace(path=None))))
    assert columns.brief(BY_NAME["BACKING"], nameless[0]) == "(no name) 0:48 inode 7"


@given(PATHS.filter(bool))
def test_a_cell_is_harmless_whatever_it_holds(path):
    for row in rows(answer(path)):
        for column in COLUMNS:
            assert columns.text(column, row).isprintable()
            assert columns.text(column, row)
            assert columns.brief(column, row).isprintable()


def unescaped(cell: str) -> bytes:
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), cell.encode())


@given(NAMES)
def test_a_raw_value_is_one_word_and_stands_for_its_exact_bytes(path):
    for row in rows(answer(path)):
        values = [column.value(row) for column in COLUMNS]
        words = exact.raw(values).split(" ")
        assert all(word.isprintable() for word in words)
        assert [unescaped(word) for word in words] == [
            value if isinstance(value, bytes) else (value or "").encode() for value in values]


@given(NAMES)
def test_values_that_are_parted_by_nul_are_exact(path):
    for row in rows(answer(path)):
        values = [column.value(row) for column in COLUMNS]
        parts = exact.null(values).split(b"\0")
        assert parts.pop() == b""
        assert parts == [value if isinstance(value, bytes) else (value or "").encode() for value in values]


@given(PATHS)
def test_an_exact_value_is_harmless_on_a_terminal(path):
    text = path.decode("utf-8", "surrogateescape")
    assert exact.harmless(path).isprintable()
    assert exact.harmless(path) == (text if text.isprintable() else render.printable(render.escaped(path)))


def test_columns_are_named_in_any_case_and_as_often_as_wanted():
    assert printed("-n", "-o", "state,STATE,Kind") == ["current  current  file", "-        -        heap"]


def test_a_plus_adds_to_the_default_columns():
    default = printed()[0].split()
    assert printed("-o", "+kind")[0].split() == [*default, "KIND"]
    assert default == list(columns.MAPPINGS)
    assert printed("--files", "-o+kind,pid")[0].split() == [*columns.FILES, "KIND", "PID"]


@pytest.mark.parametrize("list_", ["", "NOPE", "STATE,", ",STATE", "+", "+NOPE", "STATE+KIND", "STATE KIND",
                                   "\x1b[31m"])
def test_a_column_that_there_is_not_is_named_and_not_understood(list_):
    done = mapsd("self", "-o", list_)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said(done)[1].startswith("mapsd: no such column: '")
    assert said(done)[1][:-1].isprintable()


def test_all_columns_are_all():
    assert printed("--output-all")[0].split() == [column.name for column in COLUMNS]


def test_the_list_of_columns_needs_no_process_and_has_a_line_each():
    done = mapsd("--list-columns")
    assert said(done) == (0, "")
    lines = done.stdout.decode().splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [[column.name, column.about] for column in COLUMNS]


def test_no_headings_are_no_headings():
    assert [line.split() for line in printed("-n")] == [line.split() for line in printed()[1:]]
    assert printed("-nr", "-o", "STATE") == ["current", ""]
    assert printed("-r", "-o", "STATE,KIND") == ["STATE KIND", "current file", " heap"]


def test_nul_ends_every_value_and_there_are_no_headings():
    assert printed("-0", "-o", "STATE,USER_PATH") == [b"current\0/a\0", b"\0\0"]
    assert printed("--null", "-o", "STATE", "-n") == [b"current\0", b"\0"]


def test_of_several_processes_a_row_names_its_own():
    several = [process(mapping(1, b"/a")), process(mapping(2, b"/b"), pid=2)]
    assert [line.split()[0] for line in printed(of=several)] == ["PID", "1", "2"]
    assert [line.split()[0] for line in printed("-r", of=several)] == ["PID", "1", "2"]
    assert [line.split(b"\0")[0] for line in printed("-0", of=several)] == [b"1", b"2"]
    assert printed("-no", "STATE", of=several) == ["current", "current"]


def test_files_are_a_row_each():
    told = process(mapping(1, b"/a"), mapping(2, b"/a", None), mapping(3, b"/a"), mapping(4, b"/b"))
    assert printed("--files", "-ro", "START,MAPPINGS,SIZE,USER_PATH", of=[told]) == [
        "START MAPPINGS SIZE USER_PATH", "0x1000 2 8192 /a", "0x4000 1 4096 /b"]


@pytest.mark.parametrize("words", [
    ["--files"], ["-o", "STATE"], ["--output-all"], ["-n"], ["-r"], ["-0"]])
@pytest.mark.parametrize("form", ["--json", "--ndjson", "--format=json", "--format=proc"])
def test_what_is_of_tables_is_of_no_other_form(words, form):
    with pytest.raises(UsageError):
        printed(*words, form)


@pytest.mark.parametrize("words", [["-r", "-0"], ["-J", "--ndjson"], ["-J", "--format=table"],
                                   ["-o", "STATE", "--output-all"]])
def test_forms_that_contradict_each_other_are_not_understood(words):
    with pytest.raises(UsageError):
        printed(*words)


@pytest.mark.parametrize(("long", "short"), [("--format=json", "-J"), ("--format=ndjson", "--ndjson")])
def test_a_format_is_also_a_word(long, short):
    assert printed(long) == printed(short)
    assert printed("--format=table") == printed()
