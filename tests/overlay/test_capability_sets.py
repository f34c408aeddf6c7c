"""Another user's process, asked with each set of capabilities that was measured: never wrong, and `needs` is true."""

import json
import subprocess
from collections import Counter
from itertools import pairwise

import pytest

from tests.cli.command import BOUND, MAPSD
from tests.overlay.battery import happen, lay
from tests.overlay.inside import opened
from tests.overlay.scenes import Scene
from tests.overlay.truth import compare
from tests.schema import validate

# In the order in which they help; a file of another user's is opened without touching its times (O_NOATIME).
SETS = ("sys_ptrace", "dac_read_search", "checkpoint_restore", "sys_admin", "fowner", "bpf,perfmon")


def ask(pid: int, capabilities: str) -> subprocess.CompletedProcess:
    """Ask as a user with these capabilities and no others."""
    names = ",".join(f"+{name}" for name in capabilities.split(",") if name)
    prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    prefix += ["--inh-caps", f"-all,{names}".rstrip(","), "--ambient-caps", names or "-all"]
    return subprocess.run([*prefix, MAPSD, "lookup", str(pid), "--json"], capture_output=True, text=True,
                          timeout=BOUND, check=False)


def answers(pid: int, capabilities: str) -> dict[int, dict]:
    done = ask(pid, capabilities)
    assert (done.returncode, done.stderr) == (0, ""), (capabilities, done)
    return {int(one["start"], 16): one for one in validate(json.loads(done.stdout))["mappings"]}


@pytest.fixture
def scene(lab, mapper):
    with Scene("each set of capabilities", lab, mapper) as made:
        for name in ("upper", "lower1", "lower2"):
            made.upper(made.base / name) if name == "upper" else made.lower(made.base / name)
        lay(made, "round")
        made.mount()
        made.start()
        made.contain()
        happen(made, "round")
        yield made


def test_without_any_capability_the_process_may_not_be_read(scene):
    done = ask(scene.target.pid, "")
    assert (done.returncode, done.stdout) == (3, "")
    assert "CAP_SYS_PTRACE" in done.stderr
    assert done.stderr.count("\n") == 1


def test_more_capabilities_know_more_and_none_is_wrong(scene):
    known, wrong = [], []
    for end in range(1, len(SETS) + 1):
        capabilities = ",".join(SETS[:end])
        found = answers(scene.target.pid, capabilities)
        wrong += compare(scene, f"{capabilities}, outside", found, opened)
        mine = [found[claim.address] for claim in scene.claims]
        known.append(Counter({"backing": sum(one["backing"] is not None for one in mine),
                              "state": sum(one["state"] != "unknown" for one in mine)}))
        assert all(one["needs"] for one in mine if one["backing"] is None), capabilities
    assert not wrong, "\n".join(wrong)
    for fewer, more in pairwise(known):
        assert all(fewer[what] <= more[what] for what in more), known
    assert known[-1] == {"backing": len(scene.claims), "state": len(scene.claims)}


def test_the_iterator_alone_tells_a_copy_up_without_administering_the_system(scene):
    found = answers(scene.target.pid, "sys_ptrace,dac_read_search,checkpoint_restore,fowner,bpf,perfmon")
    assert not compare(scene, "bpf without sys_admin, outside", found, opened)
    copied = [found[claim.address] for claim in scene.claims if claim.state == "copied-up"]
    assert copied
    assert {(one["state"], one["confidence"]) for one in copied} == {("copied-up", "proven")}


@pytest.mark.parametrize("missing", ["bpf", "perfmon"])
def test_half_of_what_the_iterator_needs_is_not_enough(scene, missing):
    half = {"bpf": "perfmon", "perfmon": "bpf"}[missing]
    found = answers(scene.target.pid, f"sys_ptrace,dac_read_search,checkpoint_restore,{half}")
    assert not compare(scene, f"{half} only, outside", found, opened)
    assert "bpf" not in {found[claim.address]["proof"] for claim in scene.claims}
    open_ones = [found[claim.address] for claim in scene.claims if found[claim.address]["backing"] is None]
    assert open_ones
    assert all({"CAP_BPF", "CAP_PERFMON"} & set(one["needs"]) for one in open_ones)
