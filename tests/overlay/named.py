"""What `mapsd which` says of names against what the kernel opens; nothing here is mapsd's code but the question."""

import ctypes
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.layerschemas import of_which
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
from tests.overlay.files import identity
from tests.overlay.inside import within
from tests.overlay.scenes import Layer, Scene
from tests.overlay.truth import exact

IN_OPEN, IN_NONBLOCK = 0x20, 0o4000
ROOT = "root, outside"


def check(scene: Scene, names: Iterable[str], *, inside: bool = False, user: bool = False, weak: bool = False) -> None:
    """Ask of every name as every observer; fail with every answer that is wrong.

    Root outside must know every file, unless the scene is *weak*.
    """
    names = list(names)
    pid = scene.target.pid
    truth = {name: opened_by_kernel(scene, name) for name in names}
    wrong = compare(scene, ROOT, truth, answers(scene, names, ()), known=not weak)
    for observer, numbers in LACKING.items():
        found = told(lambda numbers=numbers: answers(scene, names, numbers))
        wrong += compare(scene, observer, truth, found)
    for observer, numbers in {"root, inside": (), **LACKING}.items() if inside else ():
        found = within(pid, lambda numbers=numbers: answers(scene, names, numbers), user=user)
        wrong += compare(scene, f"{observer}, inside", truth, found, here=False)
    assert not wrong, "\n".join(["", *wrong])


def answers(scene: Scene, names: list[str], lacking: tuple[int, ...]) -> dict[str, dict]:
    if lacking:
        drop(lacking)
    return {name: of_which(scene.target.pid, os.fsencode(scene.named(name))) for name in names}


def opened_by_kernel(scene: Scene, name: str) -> tuple[str, tuple[str, int] | None, Layer | None]:
    """Return the kind of what a name opens, and of a file which layer's file it is (empty: there is nothing)."""
    path = scene.reach(name)
    try:
        seen = os.stat(path)
    except OSError:
        return "", None, None
    if not stat.S_ISREG(seen.st_mode):
        return "directory" if stat.S_ISDIR(seen.st_mode) else "other", None, None
    data = path.read_bytes()
    alike = [(layer, file) for layer in scene.layers for file in files(scene, layer) if file.read_bytes() == data]
    if len(alike) > 1:
        told_of = opened_files(path, [file for _, file in alike])
        alike = [(layer, file) for layer, file in alike if file in told_of]
    assert len(alike) == 1, f"the scene is wrong: {name} is {alike}"
    [(layer, file)] = alike
    return "file", identity(file), layer


def files(scene: Scene, layer: Layer) -> Iterator[Path]:
    """Yield the regular files of a layer."""
    for path in scene.real(layer, "").rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            yield path


def opened_files(path: Path, layer_files: list[Path]) -> set[Path]:
    """Return which files of layers are opened when *path* is: their own watches say so. See inotify(7)."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(IN_NONBLOCK)
    try:
        known = {libc.inotify_add_watch(watch, os.fsencode(file), IN_OPEN): file for file in layer_files}
        path.open("rb").close()
        data = os.read(watch, 4096)
        return {known[int.from_bytes(data[at:at + 4], "little")] for at in range(0, len(data), 16)}
    finally:
        os.close(watch)


def compare(scene: Scene, observer: str, truth: dict, found: dict[str, dict], *, known: bool = False,
            here: bool = True) -> list[str]:
    """Return every answer that is wrong; *here* says that its paths are this process's."""
    wrong = []
    for name, (kind, file, layer) in truth.items():
        answer = exact(found[name])
        what = [*_whole(answer, kind, file, layer), *(_here(scene, name, answer) if here else ())]
        if known and kind == "file" and answer["backing"] is None:
            what.append("weak: the file is not known")
        if known and any(met["what"] == "unknown" for one in answer["overlays"] for met in one["met"]):
            what.append("weak: an entry is not known")
        wrong += [f"{scene.name} / {observer} / {name}: {one}\n    {told_as(answer)} {answer['reason']}\n    "
                  f"truth {kind} {file} {layer}" for one in what]
    return wrong


def _whole(answer: dict, kind: str, file: tuple[str, int] | None, layer: Layer | None) -> Iterator[str]:
    if answer["exists"] != bool(kind) or (answer["kind"] or "") != kind:
        yield f"WRONG kind {answer['kind']}"
    backing = answer["backing"]
    opens = [met for one in answer["overlays"][-1:] for met in one["met"] if met["what"] == "opens"]
    if kind == "file" and backing is None and (opens or not answer["reason"]):
        yield "no reason, or an entry that opens without a file"
    if kind not in {"file", "other"} and (opens or backing):
        yield "WRONG: something is opened that is no file"
    if backing is None or file is None or layer is None:
        return
    if (backing["device"], backing["inode"]) != file:
        yield f"WRONG backing {backing}"
    if backing["layer"]["role"] != layer.role or backing["layer"]["index"] not in {layer.index, None}:
        yield f"WRONG layer {backing['layer']}"
    for met in opens:
        if (met["file"]["device"], met["file"]["inode"]) != file:
            yield f"WRONG entry that opens: {met['file']}"
    for one in answer["overlays"]:
        for met in one["met"]:
            if met["what"] in {"hidden", "whiteout"} and met["file"] and (
                    met["file"]["device"], met["file"]["inode"]) == file:
                yield "WRONG: the file itself is called hidden"


def _here(scene: Scene, name: str, answer: dict) -> Iterator[str]:
    """Yield what is wrong with the paths of an answer."""
    backing = answer["backing"] or {}
    for part in (backing, backing.get("metadata") or {}, *(met["file"] or {} for one in answer["overlays"]
                                                             for met in one["met"])):
        path = part.get("path")
        if path is not None and alone(path) != (part["device"], part["inode"]):
            yield f"WRONG path {path}"
    for field in ("host_path", "openable_path"):
        if answer[field] is not None and os.stat(answer[field]) != os.stat(scene.reach(name)):
            yield f"WRONG {field} {answer[field]}"
    metadata = backing.get("metadata")
    if metadata is not None and os.stat(metadata["path"]).st_ctime_ns != os.stat(scene.reach(name)).st_ctime_ns:
        yield "WRONG metadata"


def alone(path: str) -> tuple[str, int]:
    """Return the identity of what lies at a path, a link for itself."""
    directory, name = os.path.split(path)
    return identity(directory)[0], os.lstat(os.path.join(directory, name)).st_ino


def told_as(answer: dict) -> str:
    """Return the way through the layers as text: `upper:0 d passed, lower:1 d/f hidden by upper:0 d`."""
    return " | ".join(", ".join(map(_told, one["met"])) for one in answer["overlays"])


def _told(met: dict) -> str:
    by, layer = met["hidden_by"], met["layer"]
    hider = f" by {by['layer']['role']}:{by['layer']['index']} {by['path']}" if by else ""
    return f"{layer['role']}:{layer['index']} {met['path']} {met['what']}{hider}"


def way(scene: Scene, name: str) -> str:
    """Return root's answer from outside as text."""
    return told_as(exact(of_which(scene.target.pid, os.fsencode(scene.named(name)))))
