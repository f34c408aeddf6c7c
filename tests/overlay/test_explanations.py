"""What an explanation says of files is true of the files: every scene of the battery, every set of capabilities."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mapsd
from tests.overlay import kernel
from tests.overlay.battery import happen, lay
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
from tests.overlay.files import identity
from tests.overlay.scenes import Claim, Scene
from tests.overlay.truth import LIVE

Texts = dict[str, list[list[str]]]  # the paragraphs of each step


@pytest.fixture(params=["tmpfs", "ext4"])
def scene(lab, mapper, request):
    with Scene(f"explanations, {request.param}", lab, mapper) as made:
        ground = made.stack.enter_context(kernel.filesystem(request.param, made.base / "ground"))
        made.upper(ground / "upper")
        for name in ("lower1", "lower2"):
            made.lower(ground / name)
        yield made


def explained(pid: int, proof: str = "auto") -> dict[int, Texts]:
    answer = mapsd.lookup(pid, proof)
    return {mapping.vma.start: {step.name: [list(words) for words in step.paragraphs]
                                for step in mapsd.explain(answer, mapping)} for mapping in answer.mappings}


def lacking(pid: int, numbers: tuple[int, ...]) -> dict[int, Texts]:
    found = told(lambda: drop(numbers) or {str(start): one for start, one in explained(pid).items()})
    return {int(start): one for start, one in found.items()}


@pytest.mark.parametrize("options", ["", ",metacopy=on", ",index=on"])
@pytest.mark.parametrize("container", [False, True])
def test_every_sentence_about_a_file_is_true(scene, options, container):
    lay(scene, "round")
    scene.mount(options)
    scene.start()
    if container:
        scene.contain()
    happen(scene, "round")
    observers = {proof: explained(scene.target.pid, proof) for proof in ("auto", "page-frame", "build-id", "bpf")}
    observers |= {name: lacking(scene.target.pid, numbers) for name, numbers in LACKING.items()}
    checked: Counter[str] = Counter()
    wrong = [f"{observer}: {claim.about} ({claim.state}): {what}" for observer, found in observers.items()
             for claim in scene.claims for what in mistakes(scene, claim, found[claim.address], checked)]
    assert not wrong, "\n".join(["", *wrong])
    said = {"listed", "same", "nothing", "another", "no copy", "copied up", "made there", "holds", "covered", "current"}
    assert said <= checked.keys(), checked


def mistakes(scene: Scene, claim: Claim, texts: Texts, checked: Counter[str]) -> Iterator[str]:
    """Yield every sentence that is false, and count those that were checked."""
    for words in (words for step in texts.values() for words in step):
        yield from _listed(words, checked)
    text = {name: " ".join(word for words in paragraphs for word in words) for name, paragraphs in texts.items()}
    yield from _about_the_name(scene, claim, text["name"], checked)
    yield from _about_copies(scene, claim, text["candidates"], checked)
    for sentence, state in (("The path opens the same data:", "current"),
                            ("The path opens the upper copy:", "copied-up")):
        if sentence in text["proof"]:
            checked[state] += 1
            if claim.state != state:
                yield f"it is not true that {sentence}"
    state, _, rest = text["verdict"].partition(": ")
    if state not in {claim.state, "unknown"}:
        yield f"the verdict is {state}"
    if rest.startswith("memory holds"):
        yield from _held(claim, rest, checked)
    elif not rest.startswith("which file memory holds is not known"):
        yield f"the verdict says {rest}"


def _listed(words: list[str], checked: Counter[str]) -> Iterator[str]:
    """Check an item that gives a device, an inode and a path."""
    numbers = re.search(r"device (\d+:\d+), inode (\d+):$", " ".join(words[:-1]))
    if words[0] != "-" or numbers is None:
        return
    checked["listed"] += 1
    if identity(words[-1]) != (numbers[1], int(numbers[2])):
        yield f"listed as {numbers[0]} {words[-1]}, which is {identity(words[-1])}"


def _about_the_name(scene: Scene, claim: Claim, text: str, checked: Counter[str]) -> Iterator[str]:
    path = f"{scene.target.proc()}/root{claim.path}"
    sentences: dict[str, tuple[str, Callable[[re.Match[str]], bool]]] = {
        "same": (r"the same file", lambda _: claim.state in LIVE),
        "nothing": (r"(?<!leads to) opens nothing", lambda _: not os.path.lexists(path)),
        "another": (r"another file, inode (\d+) of device", lambda found: os.stat(path).st_ino == int(found[1])),
        "covered": (r"now leads to mount (\d+)", lambda found: found[1] == _mount(path) and claim.state == "covered"),
        "state": (r"So the state is ([\w-]+):", lambda found: found[1] in {claim.state, "unknown"}),
    }
    for what, (pattern, is_true) in sentences.items():
        for found in re.finditer(pattern, text):
            checked[what] += 1
            if not is_true(found):
                yield f"it is not true that {found[0]}"


def _mount(path: str) -> str:
    fd = os.open(path, os.O_PATH)
    try:
        text = Path(f"/proc/self/fdinfo/{fd}").read_text()
    finally:
        os.close(fd)
    return re.search(r"mnt_id:\s*(\d+)", text)[1]


def _about_copies(scene: Scene, claim: Claim, text: str, checked: Counter[str]) -> Iterator[str]:
    below = (claim.path or "").removeprefix(str(scene.merged) if not scene.root else "").lstrip("/")
    upper = scene.real(scene.top, below)
    attributes = os.listxattr(upper) if claim.state in LIVE and upper.exists() else []
    sentences = {
        "no copy": ("The upper layer has no copy", claim.state in LIVE and (
            not upper.exists() or "trusted.overlay.metacopy" in attributes)),
        "copied up": ("The file was copied up.", claim.state in LIVE and "trusted.overlay.origin" in attributes
                      and "trusted.overlay.metacopy" not in attributes),
        "made there": ("never had a lower one", claim.layer is scene.top
                       and "trusted.overlay.origin" not in attributes),
        "metadata": ("Only the file's metadata was copied up", claim.metadata is not None),
    }
    for what, (sentence, is_true) in sentences.items():
        if sentence in text:
            checked[what] += 1
            if not is_true:
                yield f"it is not true that {sentence}"


def _held(claim: Claim, text: str, checked: Counter[str]) -> Iterator[str]:
    checked["holds"] += 1
    role, device, inode = re.search(r"\(?(\w+) layer\D* ?\d*, device ([\d:]+|not known), inode (\d+|not known)\)",
                                    text).groups()
    truth = claim.layer.role, *claim.identity
    seen = role.lstrip("("), device, inode if inode == "not known" else int(inode)
    if any(one not in {other, "not known"} for one, other in zip(seen, truth, strict=True)):
        yield f"memory holds {truth}, not {seen}"
