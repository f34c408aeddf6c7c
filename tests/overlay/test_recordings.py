"""Real overlays, recorded: what is answered of the recording is what was answered of the machine, field by field."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mapsd.recorder.session import RecordedSession
from mapsd.recorder.written import record
from mapsd.recording.plain import Plain
from mapsd.recording.redaction import Pseudonyms
from tests.cli.command import BOUND, MAPSD, NOBODY
from tests.overlay import kernel
from tests.overlay.battery import cover, happen, jail, lay, write
from tests.overlay.scenes import Scene
from tests.overlay.test_nested import Nested

FORMS = ["lookup PID --json", "lookup PID --output-all --raw", "lookup PID --proof bpf --json",
         "lookup PID --proof lookup --json", "lookup PID --proof page-frame --json", "lookup PID --format=proc",
         "explain PID ADDRESS PATH", "explain PID ADDRESS --json", "fds PID --json", "layers PID", "layers PID --json",
         "which PID PATH", "which PID PATH --json"]
HIDDEN = 'mount -t tmpfs none /proc && mount -t tmpfs none /sys && mount -t tmpfs none "$0" && cd "$0" && exec "$@"'


def run(*words: object, prefix: list[str] | None = None) -> tuple[int, bytes, bytes]:
    done = subprocess.run([*(prefix or []), MAPSD, *map(str, words)], capture_output=True, timeout=BOUND, check=False)
    timeless = re.sub(rb'"as_of": "[^"]*"', b"", done.stdout)
    return done.returncode, timeless, done.stderr


def asked(scene: Scene) -> list[list[object]]:
    claim = next((one for one in scene.claims if one.state == "copied-up" and one.path), scene.claims[0])
    path = claim.path or "/"
    named = {"PID": scene.target.pid, "ADDRESS": hex(claim.address), "PATH": path}
    return [[named.get(word, word) for word in form.split()] for form in FORMS]


@contextmanager
def ext4(name: str, lab: Path, mapper: Path, options: str = "", *, upper: bool = True) -> Iterator[Scene]:
    with Scene(name, lab, mapper) as scene:
        ground = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "ground"))
        for layer in ("lower1", "lower2"):
            scene.lower(ground / layer)
        if upper:
            scene.upper(ground / "upper")
        lay(scene, "round")
        scene.mount(options)
        scene.start()
        yield scene


@contextmanager
def plain(lab, mapper):
    with ext4("recorded", lab, mapper, ",redirect_dir=on") as scene:
        happen(scene, "round")
        yield scene


@contextmanager
def container(lab, mapper):
    with ext4("recorded container", lab, mapper, ",metacopy=on") as scene:
        scene.contain()
        happen(scene, "round")
        yield scene


@contextmanager
def jailed(lab, mapper):
    with ext4("recorded jail", lab, mapper) as scene:
        happen(scene, "round")
        (scene.merged / "sub").mkdir()
        jail(scene)
        yield scene


@contextmanager
def covered(lab, mapper):
    with ext4("recorded, covered", lab, mapper) as scene:
        happen(scene, "round")
        cover(scene)
        yield scene


@contextmanager
def nested(lab, mapper):
    with Nested("recorded, nested", lab, mapper) as scene:
        scene.deepen(1, "ext4", inner_upper=True, outer_upper=True)
        scene.start()
        happen(scene, "one")
        yield scene


SCENES = [plain, container, jailed, covered, nested]


@pytest.mark.parametrize("made", SCENES)
def test_anybody_is_told_elsewhere_what_root_was(lab, mapper, base, made):
    recording = base / "recording"
    with made(lab, mapper) as scene:
        words = asked(scene)
        assert run("record", scene.target.pid, "-o", recording)[0] == 0
        told = [run(*one) for one in words]
        pid = scene.target.pid
    # The process has exited, the overlay is gone, and there is neither /proc nor /sys.
    assert run("lookup", pid)[0] == 1
    elsewhere = ["unshare", "-m", "--propagation", "private", "sh", "-c", HIDDEN, str(lab), *NOBODY]
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as copy:
        copy.write(recording.read_bytes())
        copy.flush()
        os.fchmod(copy.fileno(), 0o644)
        again = [run(*one, "--from", copy.name, prefix=elsewhere) for one in words]
    for one, first, second in zip(words, told, again, strict=True):
        assert second == first, one
    states = {mapping["state"] for mapping in json.loads(re.sub(rb" ,\n", b"", told[0][1]))["mappings"]}
    assert len(states) > 1


def test_root_is_told_no_more_than_who_recorded(lab):
    with (kernel.mounted(lab, Path("/mnt"), None, kernel.MS_BIND),
          Scene("recorded by a user", Path("/mnt"), Path("/mnt/mapper")) as scene):
        ground = scene.stack.enter_context(kernel.filesystem("ext4", scene.base / "ground"))
        lower, upper = scene.lower(ground / "lower"), scene.upper(ground / "upper")
        scene.fill(lower, "plain", "changed")
        scene.mount()
        scene.start(*NOBODY)
        scene.map("plain", lower)
        before = scene.map("changed", lower)
        write(scene.reach("changed"))
        before.state = "copied-up"
        scene.map("changed", upper)
        words = asked(scene)
        status, text, _ = run("record", scene.target.pid, "-o", "-", prefix=NOBODY)
        assert status == 0
        told = [run(*one, prefix=NOBODY) for one in words]
        recording = scene.base / "recording"
        recording.write_bytes(text)
        # Root would be told more of the machine, and is not of the recording.
        again = [run(*one, "--from", recording) for one in words]
        assert run(*words[0]) != told[0]
    assert again == told


def answers(session) -> list[object]:
    pid, = session.pids()
    looked = session.lookup(pid)
    paths = dict.fromkeys(one.user_path for one in looked.mappings if one.user_path)
    return [looked, session.fds(pid), session.layers(pid), *(session.which(pid, path) for path in paths)]


def different(one: object, other: object, where: str = "") -> list[tuple[str, object, object]]:
    """Return where two answers differ."""
    if isinstance(one, tuple) and type(one) is type(other) and len(one) == len(other):
        fields = getattr(one, "_fields", range(len(one)))
        return [more for field, first, second in zip(fields, one, other, strict=True)
                for more in different(first, second, f"{where}.{field}")]
    return [] if one == other else [(where, one, other)]


def renamed(value: object, names: Pseudonyms | Plain) -> object:
    """Return an answer with other names, and without what is another one whenever it is asked."""
    if isinstance(value, bytes):
        return names.path(value)
    if isinstance(value, str):
        return names.words(value)
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", [""] * len(value))
        parts = [_field(field, one, value, names) for field, one in zip(fields, value, strict=True)]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def _field(name: str, one: object, whole: tuple, names: Pseudonyms | Plain) -> object:
    if name == "options":
        return names.options(whole.fs_type, one)
    if name == "xattrs":
        return tuple((key, names.path(found) if key == "redirect" else found) for key, found in one)
    if name in {"fs_type", "data", "uuid", "build_id"}:
        return one
    if name == "uid":
        return names._id(b"%d" % one) if isinstance(names, Pseudonyms) else b"%d" % one
    # The directories above the layers are everybody's.
    return 0 if name in {"as_of", "key", "changes"} else renamed(one, names)


@pytest.mark.parametrize("made", SCENES)
def test_pseudonyms_are_answered_where_names_would_be(lab, mapper, base, made):
    with made(lab, mapper) as scene:
        pid = scene.target.pid
        names = Pseudonyms([pid])
        texts = [b"".join(record([pid], one).lines) for one in (None, lambda _: names)]
    sessions = []
    for number, text in enumerate(texts):
        (base / str(number)).write_bytes(text)
        sessions.append(RecordedSession(os.fsencode(base / str(number))))
    told, redacted = map(answers, sessions)
    for one, other in zip(told, redacted, strict=True):
        assert different(renamed(one, names), renamed(other, Plain())) == []
    for secret in (b"round", b"merged", b"lower1", b"ground", b"mapper", os.fsencode(scene.base.name)):
        assert secret not in texts[1]
