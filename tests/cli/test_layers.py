"""`mapsd layers` on the command line: what it prints, names of any bytes, and how it ends."""

import copy
import json
import subprocess

import pytest

from mapsd.answer import placed
from mapsd.cli import layers as command
from mapsd.cli.arguments import parse
from mapsd.model import DeviceId, Mount, OverlayOptions, ProcessFacts
from mapsd.model.containers import Container, Housed, ImageLayer, ImageLayers, Uncontained, Unidentified
from mapsd.model.layers import Directory, LayerView, OverlayView, ProcessLayers
from mapsd.resolve.switches import switches
from mapsd.views.overlayjson import layers_object
from mapsd.views.overlaytext import layers_lines
from tests.cli.command import BOUND, MAPSD, NOBODY, child, exact, said
from tests.cli.test_lookup import ABSENT
from tests.layerschemas import valid
from tests.test_imports import PACKAGES, SLOW, imported

HOSTILE = b"\x1b[31m\n\xff\xe2\x80\xae\\"
THEIRS = ("not by a path of the observer's", "not certain: why (needs CAP_SYS_ADMIN)")
ON = {"redirect_dir": True, "redirect_always_follow": True, "metacopy": True, "index": True, "nfs_export": True,
      "xino_auto": True}


def run(*words: object, prefix: tuple[str, ...] | list[str] = ()) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([*prefix, MAPSD, "layers", *map(str, words)], capture_output=True, timeout=BOUND, check=False)
    assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
    return done


def answered(found: ProcessLayers, *words: str) -> tuple[int, list[str]]:
    return command.run(parse(["1", *words], command.COMMAND), lambda _: found)


def overlay(name: bytes = b"", inner: OverlayView | None = None) -> OverlayView:
    """Return an overlay whose every name holds *name*."""
    options = OverlayOptions((), (), b"", None, userxattr=False, flags=(("rw", ""), ("metacopy", "on"), ("new", "1")))
    where = Directory(b"/store/l1" + name, None, DeviceId(8, 1), 12, b"ext4")
    theirs = Directory(None, b"/proc/1/root/l2" + name, DeviceId(8, 1), 13, None)
    return OverlayView(
        Mount(20, 1, DeviceId(0, 50), b"/", b"/m" + name, b"overlay", b""), covered=name != b"",
        switches=switches(options, {}), work=b"w" + name, work_directory=None, layers=(
            LayerView("upper", 0, b"/u" + name, None, None, False, "it cannot be opened: Permission denied",
                      "CAP_DAC_READ_SEARCH"),
            LayerView("lower", 1, b"/store/l1" + name, where, True, True, "", "", inner),
            LayerView("lower", 2, b"l2" + name, theirs, False, True, "why", "CAP_SYS_ADMIN"),
            LayerView("data", 3, b"/d" + name, where, False, False, "it cannot be searched: Permission denied",
                      "CAP_DAC_READ_SEARCH")))


def process(*overlays: OverlayView, unions: tuple[Mount, ...] = ()) -> ProcessLayers:
    return ProcessLayers(ProcessFacts(1, 2, HOSTILE, 0, HOSTILE, 4, b"/"), "6.18", 1.0, overlays, unions)


IMAGE = ImageLayers((ImageLayer(1, "sha256:" + "1" * 64, None, b"/elsewhere", "ADD base"),
                     ImageLayer(2, "sha256:" + "2" * 64, "sha256:" + "3" * 64, b"/store/l1", "RUN \u202e make")))
WEB = Container("podman", "a" * 64, "web", "app:1", pod="front", namespace="shop")
HOUSED = Housed(process().process, 1.0, WEB, IMAGE)


def test_the_container_and_its_images_layers_are_named():
    found = placed.overlays(process(overlay(inner=overlay())), HOUSED)
    lines = list(layers_lines(found))
    assert lines[:2] == ["container web (podman aaaaaaaaaaaa, image app:1, pod shop/front)", ""]
    assert f"  lower:1  2         sha256:{'2' * 64}  RUN \\u202e make" in lines
    assert all(line.isprintable() for line in lines)
    answer = valid("layers", json.loads(json.dumps(layers_object(found))))
    assert answer["container"]["name"] == "web"
    of_image = [one.get("position") for one in answer["overlays"][0]["layers"]]
    assert of_image == [None, 2, None, 2]  # two layers of this one have one directory
    assert answer["overlays"][0]["layers"][1]["overlay"]["layers"][1]["digest"] == "sha256:" + "3" * 64
    assert answer["skipped"] == []


@pytest.mark.parametrize("unknown", [Uncontained("x"), Unidentified("x"), Container(None)])
def test_where_no_engine_is_known_nothing_is_said_of_images(unknown):
    plain = process(overlay())
    assert placed.overlays(plain, HOUSED._replace(found=unknown)) == plain


def test_why_layers_of_the_image_are_missing_is_said():
    found = placed.overlays(process(overlay()), HOUSED._replace(image=ImageLayers((), "torn")))
    assert [(one.what, one.reason) for one in found.skipped] == [("image layers", "torn")]
    assert list(layers_lines(found))[2:] == list(layers_lines(process(overlay())))


def test_each_layer_is_a_row():
    denied = "Permission denied (needs CAP_DAC_READ_SEARCH)"
    assert list(layers_lines(process(overlay())))[-6:] == [
        "  LAYER    DEVICE  INODE  FS    DIRECTORY",
        f"  upper:0  -       -      -     /u  (not found: it cannot be opened: {denied})",
        "  work     -       -      -     w  (not found)",
        "  lower:1  8:1     12     ext4  /store/l1",
        f"  lower:2  8:1     13     ?     /proc/1/root/l2  ({'; '.join(THEIRS)})",
        f"  data:3   8:1     12     ext4  /store/l1  (mounted as /d; not reachable: it cannot be searched: {denied})"]


def test_an_overlay_below_another_is_indented():
    lines = list(layers_lines(process(overlay(inner=overlay()))))
    at = lines.index("  lower:1 lies on an overlay itself:")
    assert lines[at + 1] == "    overlay on /m (0:50, mount 20)"
    assert all(line.startswith("    ") for line in lines[at + 1:])


def test_options_are_in_words_and_those_that_are_not_printed_in_parentheses():
    words = {line.split()[0]: line for line in layers_lines(process(overlay())) if line.startswith("  ")}
    assert words["metacopy=on"].endswith("the data stays in the lower layer")
    assert words["new=1"].strip() == "new=1"
    assert words["(index)"].endswith("not printed: its default cannot be read")
    assert "not printed, so the default" in words["(userxattr=off)"]


@pytest.mark.parametrize(("defaults", "values"), [
    (ON, {"redirect_dir": "on", "metacopy": "on", "index": "on", "nfs_export": "on", "xino": "auto"}),
    (dict.fromkeys(ON, False), {"redirect_dir": "nofollow", "metacopy": "off", "xino": "off"}),
    ({**dict.fromkeys(ON, False), "redirect_always_follow": True}, {"redirect_dir": "follow"}),
    ({}, {"redirect_dir": None, "metacopy": None, "xino": None, "userxattr": "off"}),
    ({"redirect_dir": False}, {"redirect_dir": None})])
def test_what_is_not_printed_is_the_modules_default(defaults, values):
    options = OverlayOptions((), (), None, None, userxattr=False, flags=())
    found = {one.name: one for one in switches(options, defaults)}
    assert {name: found[name].value for name in values} == values
    assert not any(one.printed for one in found.values())


def test_what_is_printed_is_not_said_to_be_a_default():
    options = OverlayOptions((), (), None, None, userxattr=True, flags=(
        ("metacopy", "off"), ("userxattr", ""), ("fsync", "volatile"), ("", "")))
    found = switches(options, ON)
    assert [one.name for one in found if one.printed] == ["metacopy", "userxattr", "fsync"]
    assert len({one.name for one in found}) == len(found)
    assert "volatile" not in {one.name for one in found}


def test_a_process_that_sees_no_overlay_is_status_1(capfd):
    assert answered(process()) == (1, [])
    assert capfd.readouterr().err == "mapsd: 1: sees no overlay\n"
    status, [text] = answered(process(), "--json")
    assert (status, valid("layers", json.loads(text))["overlays"]) == (1, [])


def test_a_union_of_a_server_is_a_note(capfd):
    union = Mount(30, 1, DeviceId(0, 60), b"/", b"/fm\n", b"fuse.fuse-overlayfs", b"")
    assert answered(process(overlay(), unions=(union,)))[0] == 0
    [line] = capfd.readouterr().err.splitlines()
    assert "fuse.fuse-overlayfs" in line
    assert line.isprintable()


def test_no_control_byte_of_an_answer_is_printed():
    found = process(overlay(HOSTILE, overlay(HOSTILE)))
    for line in layers_lines(found):
        assert line.isprintable(), line
    answer = valid("layers", json.loads(json.dumps(layers_object(found))))
    assert exact(answer["overlays"][0]["layers"][0], "text") == b"/u" + HOSTILE
    assert answer["overlays"][0]["layers"][1]["overlay"]["covered"] is True


def test_a_real_process_is_answered():
    with child(lambda: None) as pid:
        done = run(pid, "--json")
        with open(f"/proc/{pid}/mountinfo", "rb") as file:
            points = [line.split()[4] for line in file if b" - overlay " in line]
    answer = valid("layers", json.loads(done.stdout))
    assert answer["process"]["pid"] == pid
    assert [exact(one["mount"], "mount_point") for one in answer["overlays"]] == points
    assert done.returncode == (0 if points else 1)


@pytest.mark.parametrize("words", [[], ["self", "self"], ["0"], ["x/y"], ["--jso", "self"], ["\x1b"]])
def test_what_is_not_understood_is_status_2_and_one_line(words):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.decode()[:-1].isprintable()


def test_no_such_process_is_status_1():
    assert said(run(ABSENT)) == (1, f"mapsd: {ABSENT}: no such process\n")


def test_a_process_that_has_exited_is_status_4():
    with child(lambda: None, stays=False) as pid:
        assert run(pid).returncode == 4


@pytest.mark.usefixtures("root")
def test_another_users_mount_table_is_enough():
    with child(lambda: None) as pid:
        done = run(pid, "--json", prefix=NOBODY)
        answer = valid("layers", json.loads(done.stdout))
    assert done.returncode in {0, 1}
    assert answer["skipped"] == [{"what": "root", "reason": "permission denied", "needs": "CAP_SYS_PTRACE"}]
    assert all(one["covered"] is None for one in answer["overlays"])


FORBIDDEN = {
    "a layer that is certain and was not found": {"certain": True},
    "a layer that was not found without a reason": {"reason": None, "needs": None},
    "a layer that was not found and is reachable": {"reachable": True},
    "an upper layer that is not the first": {"index": 1},
    "an unknown role": {"role": "middle"},
    "a field that nobody knows": {"digest": None},
}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_schema_refuses(why):
    broken = copy.deepcopy(json.loads(json.dumps(layers_object(process(overlay())))))
    broken["overlays"][0]["layers"][0] |= FORBIDDEN[why]
    with pytest.raises(AssertionError, match="layers"):
        valid("layers", broken)


def test_help_needs_no_machine(checkout, tmp_path):
    assert not imported(checkout, tmp_path, "layers", "--help") & (PACKAGES | SLOW | {"ctypes", "mapsd.linux"})
