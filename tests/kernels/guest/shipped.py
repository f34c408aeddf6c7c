"""The packed command, run as whoever downloads it runs it, about a scene of every kind of change."""

import json
import subprocess
import sys

import mapsd
from tests.overlay import census
from tests.overlay.battery import happen
from tests.overlay.inside import opened
from tests.overlay.test_filesystems import mixed
from tests.overlay.truth import compare, scene_is_true
from tests.schema import validate

PYZ = mapsd.__file__.removesuffix("/mapsd/__init__.py")


def command(*words: object) -> dict:
    """Return the JSON that a command prints."""
    done = subprocess.run([sys.executable, PYZ, *map(str, words), "--json"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_packed_command_answers_what_is_true(lab, mapper):
    with mixed("ext4 metacopy", lab, mapper) as scene:
        scene.name = "the packed command"
        happen(scene, "one")
        found = validate(command("lookup", scene.target.pid))
        scene_is_true(scene)
        wrong = compare(scene, census.ROOT, {int(one["start"], 16): one for one in found["mappings"]}, opened)
    assert not wrong, "\n".join(["", *wrong])


def test_the_packed_command_knows_which_proofs_the_kernel_has(facts):
    told = command("doctor")["proofs"]
    proofs = {one["name"]: one["works"] for one in told}
    assert proofs == {name: facts[name] for name in proofs}, told
