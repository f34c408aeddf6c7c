"""What real shells make of the completions: candidates for a line, and what a line becomes on a terminal."""

import fcntl
import os
import pty
import re
import shutil
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cli.command import BOUND
from tests.conftest import missing

SHARE = Path("share")
BASH, ZSH, FISH = (SHARE / name for name in ("bash-completion/completions/mapsd", "zsh/site-functions/_mapsd",
                                             "fish/vendor_completions.d/mapsd.fish"))
_IN_BASH = """\
source "$1"
while IFS= read -r line; do
    mapfile -t COMP_WORDS <<<"${line//$'\\t'/$'\\n'}"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _mapsd
    printf '%s\\n' "${COMPREPLY[@]}" .
done
"""
# What compadd is asked to add is what would be offered; with -O, -A or -D it is only asked what fits.
_IN_ZSH = """\
PS1= TERM=dumb
fpath=($ASKED_OF $fpath)
autoload -Uz compinit
compinit -D -u
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-[OAD]* ]]; then
        builtin compadd "$@"
        return
    fi
    local -a asked_hits
    builtin compadd -O asked_hits "$@"
    asked_found+=($asked_hits)
    builtin compadd "$@"
}
asked() {
    _main_complete
    compstate[list]= compstate[insert]=
}
zle -C asked complete-word asked
zle-line-init() {
    local line
    for line in "${(@f)ASKED}"; do
        typeset -ga asked_found=()
        BUFFER=$line CURSOR=$#line
        zle asked
        print -rl -- $asked_found . >>$ASKED_INTO
    done
    exit
}
zle -N zle-line-init
"""
_IN_FISH = "source $argv[1]; for line in $argv[2..]; complete -C $line; echo .; end"


def in_bash(file: Path, lines: Sequence[str], _: Path) -> list[set[str]]:
    """Ask as readline does, which divides words at blanks, = and :."""
    _needed("bash")
    # The last word is there even where nothing of it is typed yet.
    divided = [re.findall(r"=|:+|[^\s=:]+", line) + ([""] if line.endswith(" ") else []) for line in lines]
    text = "".join("\t".join(words) + "\n" for words in divided)
    done = _ran(["bash", "--norc", "-u", "-c", _IN_BASH, "bash", file], input=text)
    return _answers(done)


def in_fish(file: Path, lines: Sequence[str], home: Path) -> list[set[str]]:
    _needed("fish")
    done = _ran(["fish", "--no-config", "-c", _IN_FISH, file, *lines], env={**os.environ, "HOME": str(home)})
    return _answers(re.sub(r"\t.*", "", done))


def in_zsh(file: Path, lines: Sequence[str], home: Path) -> list[set[str]]:
    _needed("zsh")
    (home / ".zshrc").write_text(_IN_ZSH)
    into = home / "candidates"
    env = {**os.environ, "ZDOTDIR": str(home), "ASKED": "\n".join(lines), "ASKED_OF": str(file.parent),
           "ASKED_INTO": str(into)}
    sent = on_terminal(["zsh", "-d", "-i"], env)
    assert into.exists(), sent
    return _answers(into.read_text())


Ask = Callable[[Path, Sequence[str], Path], list[set[str]]]
SHELLS: dict[str, tuple[Path, Ask]] = {"bash": (BASH, in_bash), "zsh": (ZSH, in_zsh), "fish": (FISH, in_fish)}


def _answers(text: str) -> list[set[str]]:
    """Return the candidates of each line; of a word with = or commas some shells say only the last part."""
    found: list[set[str]] = [set()]
    for candidate in text.splitlines():
        if candidate == ".":
            found.append(set())
        elif candidate:
            found[-1].add(re.split("[=,]", candidate)[-1].removeprefix("+"))
    return found[:-1]


def _ran(words: Sequence[object], **options: object) -> str:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True, timeout=BOUND, **options)
    assert done.stderr == ""
    return done.stdout


def _needed(shell: str) -> None:
    if shutil.which(shell) is None:
        missing("shells", f"{shell} is not installed")


def on_terminal(words: Sequence[str], env: dict[str, str], typed: bytes = b"") -> bytes:
    """Run a program as the only one on a terminal, type, and return what it was sent until it ended."""
    ours, theirs = pty.openpty()
    with open(ours, "r+b", buffering=0) as terminal, subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as process:  # noqa: PLW1509  (one thread)
        os.close(theirs)
        terminal.write(typed)
        sent = b""
        try:
            while part := terminal.read(1 << 12):
                sent += part
        except OSError:  # EIO: nobody has the other end any more
            process.wait(BOUND)
        return sent
