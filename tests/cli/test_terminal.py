"""`mapsd lookup` on a terminal: its width, its colours, its pager."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from mapsd.cli import terminal
from mapsd.cli.terminal import Terminal
from mapsd.views.table import width
from tests.cli.command import as_json, child, mapped, mapsd, renamed
from tests.cli.interpreters import program
from tests.cli.pseudoterminal import COLOURED, PLAIN, on_terminal
from tests.conftest import missing

HOSTILE = [b"\x1b[31mred\x1b[0m", b"new\nline", b"\xff\xfe", "\u202egnp.exe".encode(), b"\xc2\x9b31m", b"back\\slash",
           "\u4e2d\u6587".encode() * 20, b"n" * 250]


@pytest.fixture(scope="module")
def sleeper():
    with child(lambda: mapped(__file__)) as pid:
        yield pid


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("words", [[], ["--files"], ["--output-all"], ["-n"], ["-o", "+SHOWN,REASON"],
                                   ["-o", "STATE,USER_PATH,EVIDENCE"]])
def test_no_line_is_wider_than_the_terminal(sleeper, columns, words):
    shown = on_terminal(sleeper, *words, columns=columns)
    assert (shown.status, shown.errors) == (0, "")
    assert max(map(width, shown.lines)) <= columns


def test_every_mapping_has_a_row_and_every_file_is_whole(sleeper):
    shown = on_terminal(sleeper).lines
    whole = as_json(sleeper)["mappings"]
    addresses = [f"{m['start'][2:]}-{m['end'][2:]}" for m in whole]
    assert [line.split()[0] for line in shown[1:] if not line.startswith(" ")] == addresses
    joined = "".join("".join(line.split()) for line in shown)
    assert all(m["user_path"] in joined for m in whole if m["user_path"])


def test_a_wide_terminal_has_a_row_a_mapping(sleeper):
    shown = on_terminal(sleeper, columns=1000).lines
    assert len(shown) == 1 + len(as_json(sleeper)["mappings"])


def test_twenty_mappings_of_one_file_name_it_once(tmp_path):
    paths = [tmp_path / "twenty"] * 20
    paths[0].write_bytes(b"." * 4096)
    with child(lambda: mapped(*paths)) as pid:
        plain = [line for line in mapsd(pid, "-nro", "START,USER_PATH").stdout.decode().splitlines()
                 if line.endswith(f" {paths[0]}")]
        shown = on_terminal(pid, *(line.split(" ")[0] for line in plain), columns=400).lines
    assert (len(plain), len(shown)) == (20, 21)
    assert str(paths[0]) in shown[1]
    assert all(str(paths[0]) not in line and '"' in line.split() for line in shown[2:])


@pytest.mark.parametrize("words", [[], ["--files"], ["-r"], ["-0"], ["--format=proc"], ["--json"], ["--output-all"],
                                   ["-o", "USER_PATH,BACKING"], ["self"]])
@pytest.mark.parametrize("columns", [80, 200])
def test_nothing_hostile_reaches_a_terminal(tmp_path, words, columns):
    paths = [os.path.join(os.fsencode(tmp_path), name) for name in HOSTILE]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"." * 4096)
    with child(lambda: (renamed(b"\x1b]0;x\x07"), mapped(*paths))) as pid:
        shown = on_terminal(pid, *words, columns=columns)
    assert (shown.status, shown.errors) == (0, "")
    assert all(char.isprintable() for char in shown.text if char not in "\n\0")
    assert ("\0" in shown.text) == (words == ["-0"])


@pytest.mark.parametrize(("words", "environment", "coloured"), [
    ([], COLOURED, True), ([], PLAIN, False), ([], {**COLOURED, "NO_COLOR": ""}, True),
    ([], {**COLOURED, "TERM": "dumb"}, False), ([], {"MAPSD_PAGER": ""}, False),
    (["--color"], PLAIN, True), (["--color=always"], {**PLAIN, "TERM": "dumb"}, True),
    (["--color=never"], COLOURED, False), (["--color=auto"], COLOURED, True), (["--color", "-r"], COLOURED, False),
    (["--color", "-0"], COLOURED, False), (["--color", "--json"], COLOURED, False),
    (["--color", "--format=proc"], COLOURED, False)])
def test_colours_are_for_terminals_that_may_have_them(sleeper, words, environment, coloured):
    assert (b"\x1b[" in on_terminal(sleeper, *words, environment=environment).sent) == coloured


def test_colours_are_printed_elsewhere_where_they_are_wanted(sleeper):
    assert b"\x1b[" not in mapsd(sleeper).stdout
    assert b"\x1b[32mcurrent\x1b[0m" in mapsd(sleeper, "--color").stdout
    plain = mapsd(sleeper).stdout
    stripped = mapsd(sleeper, "--color").stdout
    for code in (b"0", b"1", b"2", b"31", b"32", b"33", b"35", b"36"):
        stripped = stripped.replace(b"\x1b[" + code + b"m", b"")
    assert stripped == plain


def test_several_processes_have_a_title_each(sleeper):
    shown = on_terminal(sleeper, os.getpid(), columns=400).lines
    name = Path(f"/proc/{sleeper}/comm").read_text().strip()
    assert shown[0] == f"{sleeper} {name}"
    assert shown.count("") == 1
    assert shown[shown.index("") + 1].split()[0] == str(os.getpid())
    assert shown[1].split()[0] == shown[shown.index("") + 2].split()[0] == "ADDRESS"


def test_a_process_without_a_match_has_no_title(sleeper):
    shown = on_terminal(sleeper, os.getpid(), "--state", "detached")
    assert (shown.status, shown.text) == (1, "")


def test_columns_and_lines_of_the_environment_say_more_than_the_terminal(sleeper, tmp_path):
    shown = on_terminal(sleeper, environment={**PLAIN, "COLUMNS": "50"})
    assert 40 < max(map(width, shown.lines)) <= 50
    pager = paging(tmp_path)
    paged = on_terminal(sleeper, environment={**pager, "LINES": "9999"})
    assert "paged" not in paged.text


@pytest.mark.parametrize("value", ["", "0", "x", "-1", "999999", "\u0663"])
def test_what_is_no_number_of_columns_is_passed_over(sleeper, value):
    assert max(map(width, on_terminal(sleeper, environment={**PLAIN, "COLUMNS": value}).lines)) in range(60, 81)


def test_a_terminal_of_no_size_has_80_columns(sleeper):
    shown = on_terminal(sleeper, columns=0, rows=0)
    assert max(map(width, shown.lines)) in range(60, 81)


def paging(where: Path, text: str = 'cat >"$0.seen"; echo "paged $LESS"') -> dict[str, str]:
    """Return an environment with a pager that keeps what it was given."""
    return {**PLAIN, "MAPSD_PAGER": str(program(where / "pager", text))}


def seen(where: Path) -> str:
    return (where / "pager.seen").read_text()


def test_more_than_the_terminal_shows_goes_through_the_pager(sleeper, tmp_path):
    direct = on_terminal(sleeper)
    paged = on_terminal(sleeper, environment=paging(tmp_path))
    assert (paged.status, paged.text, seen(tmp_path)) == (0, "paged FRX\n", direct.text)


def test_what_the_terminal_shows_goes_through_no_pager(sleeper, tmp_path):
    rows = len(on_terminal(sleeper).lines)
    assert "paged" in on_terminal(sleeper, rows=rows, environment=paging(tmp_path)).text
    assert "paged" not in on_terminal(sleeper, rows=rows + 1, environment=paging(tmp_path)).text


def test_the_pager_is_mapsd_s_then_everyone_s_then_less(sleeper, tmp_path):
    mine, everyones = tmp_path / "mine", tmp_path / "everyones"
    for where in (mine, everyones):
        where.mkdir()
    first = paging(mine)["MAPSD_PAGER"]
    second = {"TERM": "xterm", "PAGER": f"{paging(everyones)['MAPSD_PAGER']} 'an argument'"}
    assert "paged" in on_terminal(sleeper, environment={**second, "MAPSD_PAGER": first}).text
    assert not (everyones / "pager.seen").exists()
    assert "paged" in on_terminal(sleeper, environment=second).text
    assert (everyones / "pager.seen").exists()
    program(tmp_path / "less", 'cat >/dev/null; echo "less $LESS"')
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert on_terminal(sleeper, environment={"TERM": "xterm", "PATH": path}).text == "less FRX\n"
    assert on_terminal(sleeper, environment={"TERM": "xterm", "PATH": path, "LESS": "S"}).text == "less S\n"


@pytest.mark.parametrize(("words", "environment"), [
    (["--no-pager"], {}), ([], {"MAPSD_PAGER": ""}), ([], {"MAPSD_PAGER": "cat"}),
    ([], {"MAPSD_PAGER": "/nonexistent"}), ([], {"MAPSD_PAGER": "/etc/passwd -x"}),
    ([], {"MAPSD_PAGER": "'"}), ([], {"TERM": "dumb"})])
def test_without_a_pager_everything_is_printed(sleeper, tmp_path, words, environment):
    direct = on_terminal(sleeper)
    shown = on_terminal(sleeper, *words, environment={**paging(tmp_path), **environment})
    assert (shown.status, shown.text, shown.errors) == (0, direct.text, "")


def test_anything_but_a_terminal_has_no_pager(sleeper, tmp_path):
    assert b"paged" not in mapsd(sleeper, env={**os.environ, **paging(tmp_path)}).stdout
    assert not (tmp_path / "pager.seen").exists()


def test_a_pager_that_is_left_early_is_no_failure(sleeper, tmp_path):
    shown = on_terminal(sleeper, "--output-all", environment=paging(tmp_path, "head -n 1; exit 3"))
    assert (shown.status, len(shown.lines), shown.errors) == (0, 1, "")


def test_the_status_is_the_lookup_s(sleeper, tmp_path):
    absent = (1 << 22) + 1
    shown = on_terminal(sleeper, absent, environment=paging(tmp_path, "cat >/dev/null; exit 7"))
    assert (shown.status, shown.errors) == (1, f"mapsd: {absent}: no such process\n")
    assert on_terminal(sleeper, "--state", "detached", environment=paging(tmp_path)).status == 1


def interruptible(where: Path, body: str) -> dict[str, str]:
    """Return an environment with a pager in Python, which says that it is ready, waits for an interrupt and goes on."""
    path = where / "patient.py"
    # An interrupt that comes between `ready` and the wait is not lost: it stays pending.
    path.write_text("import signal, sys\n"
                    "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
                    "def ready():\n"
                    "    print('ready', flush=True)\n"
                    "    signal.sigwait({signal.SIGINT})\n"
                    "    print('interrupted', flush=True)\n"
                    f"{body}\nprint('left', flush=True)\n")
    return {**PLAIN, "MAPSD_PAGER": f"{sys.executable} {path}"}


def test_an_interrupt_is_the_pager_s_while_it_shows_everything(sleeper, tmp_path):
    patient = interruptible(tmp_path, "sys.stdin.read()\nready()\nopen('/dev/tty').readline()")
    shown = on_terminal(sleeper, environment=patient, keys=[(b"ready", b"\x03"), (b"interrupted", b"\n")])
    assert (shown.status, shown.lines[-1], shown.errors) == (0, "left", "")


def test_an_interrupt_while_processes_are_asked_ends_the_command_after_the_pager(tmp_path):
    patient = interruptible(tmp_path, "sys.stdin.readline()\nready()\n"
                                      "open('/dev/tty').readline()\nsys.stdin.read()")
    keys = [(b"ready", b"\x03"), (b"interrupted", b"\n")]
    shown = on_terminal("--all", "--output-all", environment=patient, keys=keys)
    assert shown.lines[-1] == "left"
    assert (shown.status, shown.errors) == (-signal.SIGINT, "")


def test_less_shows_it(sleeper):
    if shutil.which("less") is None:
        missing("pager", "needs less")
    shown = on_terminal(sleeper, environment={"TERM": "xterm"}, keys=[(b"ADDRESS", b"G"), (b"vsyscall", b"q")])
    assert (shown.status, shown.errors) == (0, "")
    assert b"\x1b[1mADDRESS\x1b[0m" in shown.sent.replace(b"\x1b[m", b"\x1b[0m")


def test_the_list_of_columns_fits_as_well():
    shown = on_terminal("--list-columns", columns=60)
    assert shown.status == 0
    assert max(map(width, shown.lines)) <= 60


def test_a_stdout_that_is_closed_is_no_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    assert terminal.terminal() is None
    assert not terminal.coloured("auto", None)
    assert terminal.coloured("always", None)
    assert not terminal.coloured("never", Terminal(80, 24))
