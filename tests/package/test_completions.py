"""The completions are what the tables say, and real shells load and use them."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from generators.share import made
from generators.tables import every
from mapsd import __version__
from mapsd.cli.__main__ import COMMANDS
from tests.package.shells import BASH, SHELLS, on_terminal
from tests.package.shipped import Forms

ASKED = {
    "mapsd ": set(COMMANDS),
    "mapsd unt": {"unteach"},
    "mapsd --ver": {"--version"},
    "mapsd --so": {"--socket"},
    "mapsd --socket /tmp/x unt": {"unteach"},
    "mapsd --socket=/tmp/x unt": {"unteach"},
    "mapsd --url http://h --token-file x lookup --proo": {"--proof"},
    "mapsd --url http://h:80 lookup --proof p": {"page-frame"},
    "mapsd --socket /tmp/x lookup se": {"self"},
    "mapsd doctor --js": {"--json"},
    "mapsd lookup --proo": {"--proof"},
    "mapsd lookup --proof p": {"page-frame"},
    "mapsd lookup --proof=p": {"page-frame"},
    "mapsd lookup --proof bpf se": {"self"},
    "mapsd lookup --proof=bpf se": {"self"},
    "mapsd lookup --color=al": {"always"},
    "mapsd lookup --color se": {"self"},
    "mapsd lookup --color always": set(),
    "mapsd lookup --color --proof p": {"page-frame"},
    "mapsd lookup --state=current,cop": {"copied-up"},
    "mapsd lookup --state current,cov": {"covered"},
    "mapsd lookup -o PID,USER": {"USER_PATH"},
    "mapsd lookup -Jo +USER": {"USER_PATH"},
    "mapsd lookup --output=+PID,USER": {"USER_PATH"},
    "mapsd lookup --thread 1 se": {"self"},
    "mapsd lookup 1 0x1000 se": {"self"},
    "mapsd lookup -J -- se": {"self"},
    "mapsd lookup -- --pro": set(),
    "mapsd extract --fault n": {"never"},
    "mapsd extract -fo - se": {"self"},
    "mapsd extract -fo- --max-size 4K se": {"self"},
    "mapsd extract 1 se": set(),
    "mapsd nonsense --he": set(),
    f"mapsd lookup {os.getpid()}": {str(os.getpid())},
}


@pytest.fixture(scope="module", params=SHELLS)
def answers(request: pytest.FixtureRequest, checkout: Path, tmp_path_factory: pytest.TempPathFactory):
    file, ask = SHELLS[request.param]
    found = ask(checkout / file, list(ASKED), tmp_path_factory.mktemp(request.param))
    return dict(zip(ASKED, found, strict=True))


@pytest.mark.parametrize("line", ASKED)
def test_a_shell_offers_what_the_command_takes(answers, line):
    if line.rpartition(" ")[2].isdigit():
        # Other processes may have a number that begins like it.
        assert answers[line] >= ASKED[line]
    else:
        assert answers[line] == ASKED[line]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_every_option_can_be_completed(shell, checkout, tmp_path):
    file, ask = SHELLS[shell]
    asked = [(f"mapsd {command.name} {name}".replace("  ", " "), name)
             for command in every() for option in command.every_option for name in option.names if len(name) > 2]
    found = ask(checkout / file, [line for line, _ in asked], tmp_path)
    assert [line for (line, name), answer in zip(asked, found, strict=True) if name not in answer] == []
    text = (checkout / file).read_text()
    short = {name[1:] for command in every() for option in command.every_option for name in option.names
             if len(name) == 2}
    assert [name for name in short if f"-{name}" not in text and f"-s {name} " not in text] == []


@pytest.mark.parametrize("before", ["extract 1 -o", "explain self", "explain self 0x1000"])
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_file_is_completed_where_one_may_stand(shell, before, checkout, tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "file").touch()
    file, ask = SHELLS[shell]
    [found] = ask(checkout / file, [rf"mapsd {before} {tmp_path}/a\ b/f"], tmp_path)
    assert {os.path.basename(name) for name in found} == {"file"}


def test_bash_completes_a_whole_command_line_as_it_is_typed(checkout, tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "file").touch()
    typed = ["mapsd extr\t--fault=nev\tself -o " + rf"{tmp_path}/a\ b/f" + "\t",
             "mapsd look\tself --state=current,cop\t,repl\t", "mapsd expl\tself " + rf"{tmp_path}/a\ b/f" + "\t"]
    start = f"PS1=; . '{checkout / BASH}'; mapsd() {{ printf 'took %s\\n' \"$@\"; }}"
    env = {**os.environ, "INPUTRC": os.devnull, "TERM": "dumb", "HISTFILE": ""}
    sent = on_terminal(["bash", "--norc", "--noprofile", "-i"], env, "\n".join([start, *typed, "exit", ""]).encode())
    took = [line.removeprefix("took ") for line in sent.decode().splitlines() if line.startswith("took ")]
    assert took == ["extract", "--fault=never", "self", "-o", f"{tmp_path}/a b/file",
                    "lookup", "self", "--state=current,copied-up,replaced", "explain", "self", f"{tmp_path}/a b/file"]


def texts(where: Path) -> dict[str, str]:
    return {str(path.relative_to(where)): path.read_text() for path in where.rglob("*") if path.is_file()}


def built(checkout: Path, *where: Path) -> None:
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "40", "LC_ALL": "C"}
    subprocess.run([checkout / "bin/build-share", *where], check=True, env=env)


def test_what_is_committed_is_what_the_tables_say(checkout):
    assert texts(checkout / "share") == made(), "run bin/build-share"


def test_the_wheel_installs_them_and_the_sources_can_make_them(forms: Forms, tmp_path: Path):
    with zipfile.ZipFile(forms.wheel) as wheel:
        prefix = f"mapsd-{__version__}.data/data/share/"
        installed = {name.removeprefix(prefix): wheel.read(name).decode() for name in wheel.namelist()
                     if name.startswith(prefix)}
    assert installed == made()
    built(forms.unpacked, tmp_path)
    assert texts(tmp_path) == made()


def test_another_directory_keeps_what_is_there_and_ours_does_not(checkout, tmp_path):
    for name in ("mapsd", "generators", "bin"):
        shutil.copytree(checkout / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    old = "man/man1/mapsd-gone.1"
    for where in ("share", "elsewhere"):
        (tmp_path / where / old).parent.mkdir(parents=True)
        (tmp_path / where / old).touch()
    built(tmp_path, tmp_path / "elsewhere")
    built(tmp_path)
    assert texts(tmp_path / "elsewhere") == {**made(), old: ""}
    assert texts(tmp_path / "share") == made()
