"""The answers of every observer against what is true of a scene; nothing here is mapsd's code but the question."""

import base64
import os
from collections.abc import Callable, Iterator
from itertools import combinations, product

from tests.overlay import census, layered, older
from tests.overlay.capabilities import LACKING, asked_lacking
from tests.overlay.conftest import asked
from tests.overlay.files import identity
from tests.overlay.inside import Opened, answers, opened, within
from tests.overlay.scenes import Claim, Scene
from tests.overlay.target import PAGE

LIVE = {"current", "copied-up"}
MEANS = ("page-frame", "build-id", "bpf")


def check(scene: Scene, *, inside: bool = False, user: bool = False) -> None:
    """Ask as every observer; fail with every answer that is wrong."""
    pid = scene.target.pid
    scene_is_true(scene)
    wrong = compare(scene, census.ROOT, asked(pid), opened)
    said = {proof: asked(pid, proof) for proof in MEANS}
    for proof, found in said.items():
        wrong += compare(scene, f"{proof}, outside", found, opened)
    wrong += agreement(scene, said)
    for name, numbers in LACKING.items():
        wrong += compare(scene, f"{name}, outside", asked_lacking(pid, numbers), opened)
    for observer in older.observers(scene.name):
        wrong += compare(scene, older.named(*observer), older.asked_on(pid, *observer), opened)
    for form in layered.forms(scene.name):
        wrong += compare(scene, layered.named(form), layered.asked_on(pid, form, scene.base), opened)
    for name, numbers in {"root": (), **LACKING}.items() if inside else ():
        found = within(pid, lambda numbers=numbers: answers(pid, numbers), user=user)
        wrong += compare(scene, f"{name}, inside", {int(start): one for start, one in found.items()},
                         lambda paths: {path: one and tuple(one) for path, one in
                                        within(pid, lambda: opened(paths)).items()})
    assert not wrong, "\n".join(["", *wrong])


def scene_is_true(scene: Scene) -> None:
    """Check the truth itself against the kernel: files, memory, and what the user path reads."""
    for claim in scene.claims:
        where = claim.where()
        assert where is None or identity(where) == claim.identity, f"the scene is wrong: {claim}"
        assert scene.target.memory(claim.address) == claim.held, f"the scene is wrong: {claim}"
        if claim.state in {"current", "copied-up", "deleted", "replaced"}:
            there = f"{scene.target.proc()}/root{claim.path}"
            assert os.path.exists(there) == (claim.state != "deleted"), f"the scene is wrong: {claim}"
        if claim.state == "current":
            with open(there, "rb") as file:
                assert os.pread(file.fileno(), PAGE, claim.page * PAGE) == claim.held, f"the scene is wrong: {claim}"


def compare(scene: Scene, observer: str, found: dict[int, dict], look: Callable[[list[str]], Opened]) -> list[str]:
    """Return every answer that is wrong."""
    found = {address: exact(answer) for address, answer in found.items()}
    asked_for = [path for claim in scene.claims for path in _paths(found.get(claim.address))]
    seen = look(asked_for)
    wrong = []
    for claim in scene.claims:
        answer = found.get(claim.address)
        if answer is None:
            wrong.append(f"{scene.name} / {observer} / {claim.about}: no answer")
            continue
        census.count(scene.name, observer, answer)
        about = f"{scene.name} / {observer} / {claim.about}"
        both = f"\n    answer {_short(answer)}\n    truth  {_truth(claim)}"
        wrong += [f"{about}: {what}{both}" for what in errors(scene, claim, answer, seen, observer)]
    return wrong


def agreement(scene: Scene, said: dict[str, dict[int, dict]]) -> list[str]:
    """Return where two means name different files or states, and count where both spoke."""
    wrong = []
    for claim, pair, known in both_spoke(scene, said):
        census.spoke(pair)
        if any(len(set(parts) - {None, "unknown"}) > 1 for parts in zip(*known, strict=True)):
            wrong.append(f"{scene.name} / {claim.about}: {' and '.join(pair)} disagree: {known}")
    return wrong


def both_spoke(scene: Scene, said: dict[str, dict[int, dict]]) -> Iterator[tuple[Claim, tuple[str, str], list[tuple]]]:
    """Yield each mapping of which two means spoke, with what each of them said."""
    for claim, pair in product(scene.claims, combinations(MEANS, 2)):
        both = [said[proof][claim.address] for proof in pair]
        if [one["proof"] for one in both] == list(pair):
            yield claim, pair, [(one["backing"]["device"], one["backing"]["inode"], one["backing"]["layer"]["role"],
                                 one["state"]) for one in both]


def exact(part: object) -> object:
    """Return an answer with the exact bytes in place of escaped paths."""
    if isinstance(part, list):
        return [exact(one) for one in part]
    if not isinstance(part, dict):
        return part
    plain = {name: exact(value) for name, value in part.items()}
    for name, value in part.items():
        if name.endswith("_base64"):
            plain[name.removesuffix("_base64")] = os.fsdecode(base64.b64decode(value))
    return plain


def errors(scene: Scene, claim: Claim, found: dict, seen: Opened, observer: str) -> list[str]:
    """Return what is wrong in one answer."""
    wrong = []
    other = layered.is_named(observer, scene, claim, found)
    if found["state"] not in {claim.state, "unknown"} and not other:
        wrong.append(f"WRONG state {found['state']}")
    if found["user_path"] not in {claim.path, None} and not other:
        wrong.append(f"WRONG user_path {found['user_path']}")
    if (found["state"] == "unknown" or found["backing"] is None) and not found["reason"]:
        wrong.append("no reason")
    if observer.endswith("outside") and claim.state in LIVE:
        wrong += _names(scene, claim, found)
    backing = found["backing"]
    if backing is not None:
        wrong += _backing(claim, backing, seen)
    if found["confidence"] != ("unknown" if backing is None else found["confidence"]):
        wrong.append(f"confidence {found['confidence']} in no backing")
    if observer == census.ROOT:
        if backing is None or found["confidence"] != "proven" or None in (backing["inode"], backing["device"]):
            wrong.append("weak: the backing is not proven")
        elif backing["path"] is None and claim.where() is not None:
            wrong.append("weak: the backing's path is missing")
    return wrong


def _backing(claim: Claim, backing: dict, seen: Opened) -> list[str]:
    wrong = _same("backing", claim.identity, backing, seen)
    there = seen.get(backing["path"])
    if there is not None and there[2][2 * PAGE * claim.page:][:2 * PAGE] != claim.held.hex():
        wrong.append("WRONG backing path: other bytes")
    layer = backing["layer"]
    if layer is None or layer["role"] not in {claim.layer.role, None}:
        wrong.append("WRONG role")
    elif layer["index"] not in {claim.layer.index, None}:
        wrong.append(f"WRONG index {layer['index']}")
    elif layer["path"] is not None and (seen[layer["path"]] or ("", 0))[:2] != claim.layer.identity:
        wrong.append(f"WRONG layer path {layer['path']}: it opens {seen[layer['path']] and seen[layer['path']][:2]}")
    if (backing.get("metadata") is not None) > (claim.metadata is not None):
        wrong.append("WRONG metadata: there is none")
    elif backing.get("metadata") is not None:
        wrong += _same("metadata", claim.metadata, backing["metadata"], seen)
    through = backing.get("through") or []
    if through and len(through) != len(claim.through):
        wrong.append(f"WRONG through: {len(through)} overlays, not {len(claim.through)}")
    for truth, outer in zip(claim.through, through, strict=False):
        wrong += _same("through", truth, outer, seen)
    return wrong


def _same(what: str, truth: tuple[str, int], found: dict, seen: Opened) -> list[str]:
    parts = zip(("device", "inode"), truth, strict=True)
    wrong = [f"WRONG {what} {name} {found[name]}, not {true}" for name, true in parts
             if found[name] not in {true, None}]
    if found["path"] is not None and (seen[found["path"]] or ("", 0))[:2] != truth:
        wrong.append(f"WRONG {what} path: it opens {seen[found['path']] and seen[found['path']][:2]}")
    return wrong


def _names(scene: Scene, claim: Claim, found: dict) -> list[str]:
    truth = identity(f"{scene.target.proc()}/root{claim.path}")
    return [f"WRONG {name} {found[name]}" for name in ("host_path", "openable_path")
            if found[name] is not None and (not os.path.exists(found[name]) or identity(found[name])[1] != truth[1])]


def _paths(found: dict | None) -> list[str]:
    backing = (found or {}).get("backing")
    files = [backing, backing.get("metadata"), *(backing.get("through") or [])] if backing else []
    layers = [file["layer"] for file in files if file and file["layer"]]
    return [part["path"] for part in [*files, *layers] if part and part["path"] is not None]


def _short(found: dict) -> str:
    backing = found["backing"]
    where = backing and {**backing, "layer": backing["layer"] and
                         {key: backing["layer"][key] for key in ("role", "index", "path")}}
    return (f"{found['state']} {found['user_path']} (shown {found['shown']['path']}) {where} "
            f"{found['proof']}: {found['reason']}")


def _truth(claim: Claim) -> str:
    return (f"{claim.state} {claim.path} {claim.layer.role} {claim.layer.index} {claim.identity} at {claim.where()}"
            + (f" metadata {claim.metadata}" if claim.metadata else "")
            + (f" through {claim.through}" if claim.through else ""))
