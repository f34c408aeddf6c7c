"""`mapsd explain` on real overlays: golden texts, and every number in them beside the scene's own knowledge."""

import hashlib
import json
import mmap
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

import mapsd
from mapsd.model import Answer, ProcessAnswer
from mapsd.views.explanation import Step, lines
from mapsd.views.render import as_json
from tests.cli.command import BOUND, CHECKOUT, MAPSD, child, mapped, said
from tests.cli.placeholders import FOLDER, check
from tests.cli.pseudoterminal import on_terminal
from tests.overlay import kernel
from tests.overlay.battery import write
from tests.overlay.capabilities import drop
from tests.overlay.child import told
from tests.overlay.conftest import lab, mapper
from tests.overlay.files import elf, fill, identity
from tests.overlay.scenes import Scene
from tests.overlay.target import PAGE, Target
from tests.schema import validate

__all__ = ["lab", "mapper"]
TAG = "explained lower 2 lib"  # what the lower file's build id is made of
STEPS = ["shown", "doubt", "mount", "name", "candidates", "proof", "verdict"]
NO_CAPABILITIES = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
INSTEAD = ["sh", "-c", 'program=$1; shift 2; exec "$program" explain "$@"', "sh"]


@pytest.fixture
def scene(lab: Path, mapper: Path) -> Iterator[Scene]:
    """An overlay of an upper layer and two lower ones, its files in the second; no process yet."""
    with Scene("explained", lab, mapper) as made:
        made.upper(made.base / "upper")
        made.lower(made.base / "lower1")
        made.lower(made.base / "lower2")
        made.fill(made.sources[1], "lib", "other")
        made.mount()
        yield made


class Told:
    """One explanation and the answer that it explains."""

    def __init__(self, pid: int, address: int, proof: str = "auto") -> None:
        self.answer = mapsd.lookup(pid, proof)
        self.mapping = at(self.answer, address)
        self.steps = mapsd.explain(self.answer, self.mapping)

    def text(self, name: str) -> str:
        return next(step.text for step in self.steps if step.name == name)

    def golden(self, name: str, base: Path) -> "Told":
        check(name, self.steps, base)
        assert [step.name for step in self.steps] == STEPS
        assert self.text("verdict").startswith(f"{self.mapping.state}: ")
        return self


def at(answer: ProcessAnswer, address: int) -> Answer:
    return next(mapping for mapping in answer.mappings if mapping.vma.start == address)


def listed(layer: str, path: Path) -> str:
    """Return how a layer's file that has a name is to be listed, as stat(2) sees it."""
    device, inode = identity(path)
    return f"- {layer}, device {device}, inode {inode}: {path}"


def lower(scene: Scene, name: str = "lib") -> str:
    return listed("lower layer 2", scene.base / "lower2" / name)


def upper(scene: Scene, name: str = "lib") -> str:
    return listed("upper layer 0", scene.base / "upper" / name)


def frame(pid: int, address: int) -> str:
    """Return the page frame that a process has at an address. See Documentation/admin-guide/mm/pagemap.rst."""
    with open(f"/proc/{pid}/pagemap", "rb") as file:
        [entry] = struct.unpack("=Q", os.pread(file.fileno(), 8, address // PAGE * 8))
    return f"{entry & (1 << 55) - 1:#x}"


def maps_line(pid: int, address: int) -> str:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{address:08x}-"))


def test_a_current_lower_file(scene):
    target = scene.start()
    found = Told(target.pid, target.map(scene.merged / "lib")).golden("current", scene.base)
    assert lower(scene) in found.text("candidates")
    assert "upper layer 0" not in found.text("candidates")
    assert f"{scene.base}/upper" in found.text("mount")


def test_a_current_upper_file(scene):
    fill(scene.merged / "made", "made")
    target = scene.start()
    found = Told(target.pid, target.map(scene.merged / "made")).golden("current-upper", scene.base)
    assert upper(scene, "made") in found.text("candidates")


def test_a_copy_up_that_page_frames_tell(scene):
    target = scene.start()
    address = target.map(scene.merged / "lib")
    before = maps_line(target.pid, address)
    write(scene.merged / "lib")
    after = target.map(scene.merged / "lib")
    found = Told(target.pid, address).golden("copied-up", scene.base)
    assert maps_line(target.pid, address) == before, "the text says that a copy-up changes nothing in the line"
    assert before in found.text("shown")
    assert lower(scene) in found.text("candidates")
    assert upper(scene) in found.text("candidates")
    ours, theirs = frame(target.pid, address), frame(target.pid, after)
    assert f"the lower file: page 0 is frame {ours} in both" in found.text("proof")
    assert f"the upper file: page 0 is frame {ours} in the mapping and frame {theirs} in the" in found.text("proof")
    assert lower(scene) in found.text("proof")
    now = Told(target.pid, after)
    assert now.mapping.state == "current"
    assert f"the upper file: page 0 is frame {theirs} in both" in now.text("proof")


def test_a_copy_up_that_the_kernel_itself_tells(scene):
    target = scene.start()
    address = target.map(scene.merged / "lib", "n")
    (scene.merged / "lib").chmod(0o600)
    found = Told(target.pid, address).golden("copied-up-bpf", scene.base)
    device, inode = identity(scene.base / "lower2/lib")
    assert f"the lower file: inode {inode} of device {device} is mapped in both" in found.text("proof")
    assert upper(scene) in found.text("candidates")


def without_capabilities(scene: Scene, target: Target, address: int) -> Callable[[str], Told]:
    """Return an explanation that a process without any capability gave, of the same user."""
    def ask() -> dict:
        drop(tuple(range(41)))
        found = Told(target.pid, address)
        mapping = as_json(found.answer._replace(mappings=(found.mapping,)))["mappings"][0]
        return {"steps": found.steps, "mapping": mapping}
    seen = told(ask)
    steps = [Step(name, title, tuple(map(tuple, paragraphs))) for name, title, paragraphs in seen["steps"]]

    def golden(name: str) -> tuple[dict, dict[str, str]]:
        check(name, steps, scene.base)
        return seen["mapping"], {step.name: step.text for step in steps}
    return golden


def test_a_copy_up_that_build_ids_tell_an_ordinary_user(scene):
    target = scene.start(*NO_CAPABILITIES)
    address = target.map(scene.merged / "lib")
    write(scene.merged / "lib")
    mapping, text = without_capabilities(scene, target, address)("copied-up-build-id")
    ids = [hashlib.sha1(tag.encode()).hexdigest() for tag in (TAG, "changed lib")]
    assert mapping["build_id"] == ids[0]
    assert f"the lower file's is {ids[0]}, the upper file's {ids[1]}, the mapping's {ids[0]}" in text["proof"]
    assert (elf(TAG) in (scene.base / "lower2/lib").read_bytes(), mapping["state"]) == (True, "copied-up")
    assert lower(scene) in text["proof"]
    assert upper(scene) in text["candidates"]


def test_the_copy_that_build_ids_tell_has_no_inode(scene):
    target = scene.start(*NO_CAPABILITIES)
    write(scene.merged / "lib")
    address = target.map(scene.merged / "lib")
    mapping, text = without_capabilities(scene, target, address)("current-build-id")
    assert (mapping["state"], mapping["backing"]["inode"]) == ("current", None)
    assert "the inode stays open: - upper layer 0" in text["proof"]


def test_a_copy_up_that_an_ordinary_user_cannot_tell(scene):
    target = scene.start(*NO_CAPABILITIES)
    address = target.map(scene.merged / "lib")
    (scene.merged / "lib").chmod(0o600)
    mapping, text = without_capabilities(scene, target, address)("unknown-ordinary-user")
    assert (mapping["state"], mapping["build_id"]) == ("unknown", None)
    assert mapping["needs"]
    assert all(f"- {need}, " in text["proof"] for need in mapping["needs"])
    assert lower(scene) in text["candidates"]
    assert upper(scene) in text["candidates"]


def test_an_unknown_mapping_without_a_page_in_memory(scene):
    target = scene.start()
    address = target.map(scene.merged / "lib", "n")
    (scene.merged / "lib").chmod(0o600)
    found = Told(target.pid, address, "page-frame").golden("unknown", scene.base)
    assert found.mapping.needs == ("a page of the mapping in memory",)
    assert found.mapping.needs[0] in found.text("proof")


def test_a_deleted_file(scene):
    target = scene.start()
    address = target.map(scene.merged / "lib")
    (scene.merged / "lib").unlink()
    found = Told(target.pid, address).golden("deleted", scene.base)
    assert lower(scene) in found.text("proof")
    assert f"{scene.merged}/lib opens nothing" in found.text("name")


def test_a_replaced_file(scene):
    target = scene.start()
    address = target.map(scene.merged / "lib")
    fill(scene.merged / "new", "new")
    (scene.merged / "new").rename(scene.merged / "lib")
    found = Told(target.pid, address).golden("replaced", scene.base)
    new = os.stat(scene.merged / "lib")
    assert f"opens another file, inode {new.st_ino} of device {os.major(new.st_dev)}:{os.minor(new.st_dev)}" in (
        found.text("name"))
    assert lower(scene) in found.text("proof")


def mount_of(path: Path) -> str:
    fd = os.open(path, os.O_PATH)
    try:
        text = Path(f"/proc/self/fdinfo/{fd}").read_text()
    finally:
        os.close(fd)
    return next(line.split()[1] for line in text.splitlines() if line.startswith("mnt_id:"))


def test_a_covered_file(scene):
    target = scene.start()
    address, mine = target.map(scene.merged / "lib"), mount_of(scene.merged / "lib")
    kernel.mount(scene.merged / "other", scene.merged / "lib", None, kernel.MS_BIND)
    found = Told(target.pid, address).golden("covered", scene.base)
    over = mount_of(scene.merged / "lib")
    assert f"now leads to mount {over}, overlay, mounted on {scene.merged}/lib" in found.text("name")
    assert f"The mapping's file is on mount {mine}." in found.text("name")
    assert f"inode {os.stat(scene.merged / 'lib').st_ino} of device" in found.text("name")
    assert lower(scene) in found.text("proof")


def test_a_detached_file(scene):
    target = scene.start()
    address = target.map(scene.merged / "lib")
    kernel.umount(scene.merged, kernel.MNT_DETACH)
    found = Told(target.pid, address).golden("detached", scene.base)
    assert found.mapping.mount is None
    assert lower(scene) in found.text("proof")


def test_an_unreachable_file(scene):
    (scene.base / "jail").mkdir()
    target = scene.start()
    address = target.map(scene.merged / "lib")
    target.ask("chroot", scene.base / "jail")
    found = Told(target.pid, address).golden("unreachable", scene.base)
    assert f"The root of the process is {scene.base}/jail" in found.text("doubt")
    assert lower(scene) in found.text("proof")


def test_a_file_from_another_mount_namespace(scene):
    holder = scene.start()
    holder.ask("newns")
    kernel.umount(scene.merged, kernel.MNT_DETACH)
    inside = Path(f"/proc/{holder.pid}/root{scene.merged}/lib")
    with inside.open("rb") as file, Target(scene.mapper, pass_fds=[file.fileno()]) as other:
        address = other.ask("fdmap", "s", file.fileno())
        found = Told(other.pid, address).golden("unreachable-elsewhere", scene.base)
    assert "Its mount is in another mount namespace." in found.text("name")


def test_a_metadata_only_copy_up(lab, mapper):
    with Scene("metadata only", lab, mapper) as scene:
        scene.upper(scene.base / "upper")
        scene.lower(scene.base / "lower")
        scene.fill(scene.sources[0], "lib")
        scene.mount(",metacopy=on")
        target = scene.start()
        address = target.map(scene.merged / "lib")
        (scene.merged / "lib").chmod(0o600)
        found = Told(target.pid, address).golden("current-metacopy", scene.base)
        assert listed("lower layer 1", scene.base / "lower/lib") in found.text("candidates")
        assert listed("upper layer 0", scene.base / "upper/lib") in found.text("candidates")


def test_an_overlay_on_an_overlay(lab, mapper):
    with Scene("nested", lab, mapper) as scene:
        scene.immovable()
        for name in ("inner", "beside", "below", "upper", "work"):
            (scene.base / name).mkdir()
        fill(scene.base / "below/lib", "nested")
        inner = scene.base / "inner"
        scene.stack.enter_context(kernel.mounted(
            "overlay", inner, "overlay", 0, f"lowerdir={scene.base}/below:{scene.base}/beside"))
        scene.mount(options=f"lowerdir={inner}:{scene.base}/beside,upperdir={scene.base}/upper,"
                            f"workdir={scene.base}/work")
        target = scene.start()
        address = target.map(scene.merged / "lib")
        # On a busy machine the iterator's own test may run out of time; then nothing is said of it.
        found = next((one for one in (Told(target.pid, address) for _ in range(5)) if any(
            seen.kind == "bpf" for seen in one.mapping.evidence)), None) or Told(target.pid, address)
        if found.mapping.trail.nested:
            # Some kernels print the inner name, others the right one.
            check("nested-inner-name", found.steps, scene.base)
        assert listed("lower layer 1", scene.base / "below/lib") in found.text("proof")
        assert f"{inner}/lib" in found.text("candidates")
        write(scene.merged / "lib")
        assert Told(target.pid, address).mapping.state == "copied-up"


def test_a_file_on_no_overlay(scene):
    fill(scene.base / "plain", "plain")
    target = scene.start()
    address = target.map(scene.base / "plain")
    found = Told(target.pid, address).golden("plain", scene.base)
    device, inode = identity(scene.base / "plain")
    assert f"- device {device}, inode {inode}: {scene.base}/plain" in found.text("candidates")


def test_a_deleted_file_on_no_overlay_that_has_another_name(scene):
    fill(scene.base / "plain", "plain")
    target = scene.start()
    address = target.map(scene.base / "plain")
    os.link(scene.base / "plain", scene.base / "still")
    (scene.base / "plain").unlink()
    found = Told(target.pid, address).golden("plain-deleted", scene.base)
    assert "The file still has 1 link: another name" in found.text("name")
    (scene.base / "still").unlink()
    assert "link:" not in Told(target.pid, address).text("name")


@pytest.mark.parametrize("kind", ["heap", "stack", "vdso", "anonymous", "memfd", "shm"])
def test_what_is_no_file_is_said_to_be_none(kind):
    def body() -> object:
        memory = os.memfd_create("some memory")
        os.truncate(memory, PAGE)
        return mmap.mmap(memory, PAGE), mmap.mmap(-1, PAGE)
    with child(body) as pid:
        answer = mapsd.lookup(pid)
    mapping = next(mapping for mapping in answer.mappings if mapping.kind == kind)
    steps = mapsd.explain(answer, mapping)
    assert [step.name for step in steps] == ["shown", "kind", "verdict"]
    check(f"kind-{kind}", [step for step in steps if step.name != "shown"], Path("/nowhere"))


def test_every_state_has_a_golden_text():
    ends = [golden.read_text().rpartition("7. The answer\n   ")[2] for golden in FOLDER.glob("*.txt")]
    states = json.loads((CHECKOUT / "docs/schema/lookup.json").read_text())["$defs"]["mapping"]["properties"]["state"]
    assert {end.partition(":")[0] for end in ends if ":" in end} >= set(filter(None, states["enum"]))


def explain(*words: object, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
    command = [*prefix, MAPSD, "explain", *(word if isinstance(word, bytes) else str(word) for word in words)]
    return subprocess.run(command, capture_output=True, timeout=BOUND, check=False)


def text_of(pid: int, address: int, width: int) -> list[str]:
    found = Told(pid, address)
    return list(lines(found.steps, width))


@pytest.fixture
def copied(scene: Scene) -> tuple[Scene, Target, int]:
    """A file that was mapped three times before it was copied up, and once after."""
    target = scene.start()
    before = [target.map(scene.merged / "lib", mode) for mode in "sps"]
    write(scene.merged / "lib")
    target.map(scene.merged / "lib")
    return scene, target, before[0]


@pytest.mark.parametrize("columns", [80, 200])
def test_the_text_is_as_wide_as_the_terminal(copied, columns):
    _, target, address = copied
    shown = on_terminal(target.pid, hex(address), columns=columns, prefix=INSTEAD)
    assert (shown.status, shown.errors) == (0, "")
    heading, *rest = shown.text.split("\n\n", 1)
    assert heading == f"Mapping {address:x}-{address + PAGE:x} of process {target.pid} (mapper)"
    assert rest[0].splitlines() == text_of(target.pid, address, columns)
    assert all(len(line) <= columns or len(line.split()) <= 2 or "-s 0" in line for line in shown.lines)
    assert max(map(len, shown.lines)) > columns - 20


def test_without_a_terminal_the_text_is_80_columns_wide(copied):
    _, target, address = copied
    done = explain(target.pid, hex(address))
    assert said(done) == (0, "")
    assert done.stdout.decode().split("\n\n", 1)[1].splitlines() == text_of(target.pid, address, 80)


@pytest.mark.parametrize("which", ["user path", "shown path", "backing path"])
def test_a_path_selects_each_story_of_the_file(copied, which):
    scene, target, address = copied
    path = {"user path": scene.merged, "shown path": scene.merged, "backing path": scene.base / "lower2"}[which] / "lib"
    done = explain(target.pid, path)
    assert said(done) == (0, "")
    text = done.stdout.decode()
    assert text.count("1. What the kernel printed") == (1 if which == "backing path" else 2)
    assert "2 other mappings of the file with the same answer: " in text
    assert f"{address:x}-" in text


def test_several_addresses_and_paths(copied):
    scene, target, address = copied
    done = explain(target.pid, hex(address), scene.merged / "lib", hex(address + PAGE - 1))
    assert said(done) == (0, "")
    assert done.stdout.count(b"7. The answer") == 2


@pytest.mark.parametrize(("words", "line"), [
    (["0x1"], "no mapping holds '0x1'"), (["/absent"], "no mapping has the path '/absent'"),
    (["lib"], "no mapping has the path 'lib'")])
def test_what_is_not_there_is_status_1_and_one_line(copied, words, line):
    target = copied[1]
    done = explain(target.pid, *words)
    assert (said(done), done.stdout) == ((1, f"mapsd: {target.pid}: {line}\n"), b"")


@pytest.mark.parametrize("words", [[], ["self"], ["self", ""], ["x/y", "0x1"], ["self", "0xg"],
                                   ["--proof=x", "self", "/"]])
def test_what_is_not_understood_is_status_2(words):
    done = explain(*words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


def test_a_missing_process_is_status_1():
    assert said(explain(4194305, "/x")) == (1, "mapsd: 4194305: no such process\n")


def test_a_means_of_proof_can_be_asked_for(copied):
    _, target, address = copied
    done = explain(target.pid, hex(address), "--proof", "build-id")
    assert b"Build ids were compared." in done.stdout
    assert b"Page frames were compared." not in done.stdout


def test_json_is_the_lookups_with_an_explanation_of_each_mapping(copied):
    scene, target, _ = copied
    done = explain(target.pid, scene.merged / "lib", "--json")
    assert said(done) == (0, "")
    answer = json.loads(done.stdout)
    schema = json.loads((CHECKOUT / "docs/schema/explain.json").read_text())
    assert not list(Draft202012Validator(schema).iter_errors(answer))
    told_of = [mapping.pop("explanation") for mapping in answer["mappings"]]
    validate(answer)
    assert len(told_of) == 4
    for mapping, steps in zip(answer["mappings"], told_of, strict=True):
        assert [step["step"] for step in steps] == STEPS
        assert all(step["text"].isprintable() for step in steps)
        assert steps[-1]["text"].startswith(f"{mapping['state']}: ")


NAMES = [b"new\nline", rb"new\012line", b"back\\slash", b"file (deleted)", b"\x1b[31mred", b"\xff\xfe", b"\xc2\x85",
         "\u202egnp".encode(), b"{braces} {0}", b"two  blanks and {path}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_of_any_bytes_is_found_and_harmless(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(b"." * PAGE)
    with child(lambda: mapped(path)) as pid:
        done = explain(pid, path)
    assert said(done) == (0, "")
    text = done.stdout.decode()
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "7. The answer\n   current: memory holds\n" in text or "7. The answer\n   current: memory holds /" in text


def test_a_path_is_never_broken(tmp_path):
    path = tmp_path / " ".join(["long"] * 40)
    path.write_bytes(b"." * PAGE)
    with child(lambda: mapped(path)) as pid:
        text = explain(pid, path).stdout.decode()
    assert text.count(str(path)) == text.count("long long") // 20 >= 3 or all(
        line.count("long") in {0, 40} for line in text.splitlines())


@pytest.mark.parametrize("words", ["states", "proofs"])
def test_the_documentation_names_each(words):
    schema = json.loads((CHECKOUT / "docs/schema/lookup.json").read_text())["$defs"]["mapping"]["properties"]
    text = (CHECKOUT / f"docs/{words}.md").read_text()
    names = schema[words.removesuffix("s")]["enum"]
    assert all(f"`{name}`" in text for name in names if name)
