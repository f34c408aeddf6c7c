"""Kernels that lack a call: whatever is missing, every answer is right or unknown, and no command fails."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

import pytest

from mapsd.cli.__main__ import main
from tests.overlay import kernel, older
from tests.overlay.battery import happen, lay
from tests.overlay.child import told
from tests.overlay.inside import opened
from tests.overlay.scenes import Scene
from tests.overlay.truth import compare

OPTIONS = {"plain": "", "metadata": ",redirect_dir=on,metacopy=on,index=on"}
# What may be said otherwise: how it is known, what stands in the way, and when.
OTHERWISE = {"as_of", "evidence", "proof", "confidence", "reason", "needs", "detail", "advice", "skipped", "works",
             "certain"}


@pytest.fixture(scope="module", params=OPTIONS)
def scene(request, lab, mapper):
    with Scene(f"older kernels, {request.param}", lab, mapper) as made:
        ground = made.stack.enter_context(kernel.filesystem("ext4", made.base / "ground"))
        made.upper(ground / "u")
        for name in ("l1", "l2"):
            made.lower(ground / name)
        lay(made, "one")
        made.mount(OPTIONS[request.param])
        made.start()
        made.contain()
        happen(made, "one")
        yield made


@pytest.mark.parametrize("capabilities", [(), older.LESS])
@pytest.mark.parametrize("lacking", older.LACKING)
def test_no_answer_is_wrong_without(scene, lacking, capabilities, capsys):
    found = older.asked_on(scene.target.pid, lacking, capabilities)
    wrong = compare(scene, older.named(lacking, capabilities), found, opened)
    assert not wrong, "\n".join(["", *wrong])
    mine = [found[claim.address] for claim in scene.claims]
    lost = [sum(one["state"] == "unknown" for one in mine), sum(one["backing"] is None for one in mine)]
    if "openat2" in lacking and not capabilities:
        assert lost == [0, 0]
    with capsys.disabled():
        print(f"\n{scene.name}, {older.named(lacking, capabilities)}: of {len(mine)} answers, "
              f"{lost[0]} states and {lost[1]} backing files are unknown")


@pytest.mark.parametrize("lacking", older.LACKING)
def test_every_command_says_the_same_or_less_without(scene, lacking):
    pid = scene.target.pid
    names = "plain-s", "write-s", "gone-s", "rename-s-moved", "cover-s", "../../one/./plain-p", "missing/../x"
    paths = [["which", pid, f"/one/{name}"] for name in names]
    for words in (["fds", pid], ["layers", pid], *paths, ["doctor"]):
        full, less = said(words, None), said(words, lacking)
        assert list(more(less, full)) == [], words
        if "openat2" in lacking:
            assert list(more(full, less)) == [], words


def said(words: list[object], lacking: str | None) -> dict:
    """Return a command's status, what it prints as JSON, and its complaint."""
    def run() -> tuple[int, str, str]:
        if lacking is not None:
            older.LACKING[lacking]()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, redirect_stdout(out), (
                redirect_stderr(err)):
            status = main([*map(str, words), "--json"])
            return status, *(file.seek(0) or file.read() for file in (out, err))
    status, text, complaint = told(run)
    return {"status": status, "said": json.loads(text) if text else None, "complaint": complaint}


def more(less: object, full: object, where: str = "$") -> Iterator[str]:
    """Yield each place where *less* says what *full* does not."""
    if isinstance(less, dict) and isinstance(full, dict):
        for name in less.keys() - OTHERWISE:
            yield from more(less[name], full.get(name), f"{where}.{name}")
    elif isinstance(less, list) and isinstance(full, list) and len(less) == len(full):
        for number, pair in enumerate(zip(less, full, strict=True)):
            yield from more(*pair, f"{where}[{number}]")
    elif less != full and less not in (None, "unknown"):
        yield f"{where}: {less!r}, not {full!r}"
