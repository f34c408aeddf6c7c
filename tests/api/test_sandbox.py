"""The daemon under its own unit, started by systemd in a machine of its own, asked about a container's process."""

import shutil
import subprocess

import pytest

from tests.api.booted import CHECKOUT, told_by
from tests.conftest import missing

# What is known less without it: by the usual means, or (the last) where no proof beyond names is asked for.
WORTH = {"CAP_DAC_READ_SEARCH": ("auto", "path"), "CAP_FOWNER": ("auto", "state"), "CAP_BPF": ("auto", "backing"),
         "CAP_PERFMON": ("auto", "backing"), "CAP_CHECKPOINT_RESTORE": ("lookup", "user_path")}
REFUSALS = {"CAP_SYS_PTRACE": "it needs CAP_SYS_PTRACE", "CAP_SETUID": "CAP_SETUID and CAP_SETGID are needed",
            "CAP_SETGID": "CAP_SETUID and CAP_SETGID are needed"}
# What doctor finds that does not work without it.
FINDINGS = {"CAP_DAC_READ_SEARCH": "layers", "CAP_BPF": "bpf", "CAP_PERFMON": "bpf",
            "CAP_CHECKPOINT_RESTORE": "map-files"}
FULL_PROOF = ("lookup", "page-frame")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    if shutil.which("gcc") is None:
        missing("overlay", "needs gcc for the mapper")
    where = tmp_path_factory.mktemp("machine")
    mapper = where / "mapper"
    subprocess.run(["gcc", "-O1", "-static", "-pthread", "-o", mapper, CHECKOUT / "tests/overlay/mapper.c"], check=True)
    return told_by("tests.api.sandboxed", where, {"opt/mapper": mapper})


def works(answer: dict) -> dict[str, bool | None]:
    return {one["name"]: one["works"] for one in (*answer["proofs"], *answer["findings"])}


def test_everything_is_known_of_a_container_and_nothing_wrong(told):
    found = told["ways"]["unit"]
    assert found["auto"]["wrong"] == []
    assert found["auto"]["needs"] == []
    total = len(found["auto"]["mappings"])
    assert total > 40
    assert {kind: found["auto"]["known"][kind] for kind in ("backing", "user_path", "state")} == {
        "backing": total, "user_path": total, "state": total}
    assert {one["confidence"] for one in found["auto"]["mappings"]} == {"proven"}


def test_the_sandbox_takes_nothing_away_that_the_same_capabilities_show_without_it(told):
    found, free = told["ways"]["unit"], told["unconfined"]
    assert free["auto"]["wrong"] == []
    assert found["auto"]["mappings"] == free["auto"]["mappings"]
    assert works(found["kernel"]) == works(free["kernel"])


@pytest.mark.parametrize("path", ["user_path", "host_path", "openable_path"])
def test_paths_are_those_that_root_gets_on_the_machine_itself(told, path):
    assert told["root"]["wrong"] == []
    assert ([one[path] for one in told["ways"]["unit"]["auto"]["mappings"]]
            == [one[path] for one in told["root"]["mappings"]])


def test_backing_files_are_named_as_root_gets_them_on_the_machine_itself(told):
    assert [one["backing"] for one in told["ways"]["unit"]["auto"]["mappings"]] == [
        one["backing"] for one in told["root"]["mappings"]]


def test_a_container_is_known_that_was_made_later_in_a_store_whose_mounts_are_private(told):
    assert told["later"]["wrong"] == []
    assert told["later"]["known"] == told["ways"]["unit"]["auto"]["known"]


def test_every_question_is_answered(told):
    assert {path: status for path, status in told["routes"].items() if status != 200} == {}


def test_each_capability_of_the_unit_is_accounted_for(told):
    sets = {key: set(held.split()) for key, held in told["capabilities"].items()}
    assert sets["CapabilityBoundingSet"] == sets["AmbientCapabilities"] == {*WORTH, *REFUSALS}


@pytest.mark.parametrize("capability", WORTH)
def test_without_a_capability_less_is_known_and_nothing_wrong(told, capability):
    all_of_them, found = told["ways"]["unit"], told["ways"][f"without {capability}"]
    proof, kind = WORTH[capability]
    assert [found[how]["wrong"] for how in ("auto", "lookup")] == [[], []]
    assert found[proof]["known"][kind] < all_of_them[proof]["known"][kind]
    assert all(found["auto"]["known"][each] <= number for each, number in all_of_them["auto"]["known"].items())


@pytest.mark.parametrize("capability", ["CAP_FOWNER", "CAP_BPF", "CAP_PERFMON"])
def test_what_is_not_known_names_the_capability_that_is_missing(told, capability):
    mappings = told["ways"][f"without {capability}"]["auto"]["mappings"]
    unknown = [one for one in mappings if one["state"] == "unknown" or one["backing"] is None]
    assert unknown
    assert all(capability in one["needs"] for one in unknown)


@pytest.mark.parametrize("capability", FINDINGS)
def test_the_daemon_itself_says_what_it_lacks(told, capability):
    before, now = works(told["ways"]["unit"]["kernel"]), works(told["ways"][f"without {capability}"]["kernel"])
    assert {name for name in before if before[name] and not now[name]} == {FINDINGS[capability]}


@pytest.mark.parametrize("capability", REFUSALS)
def test_without_a_capability_that_it_cannot_do_without_it_does_not_start(told, capability):
    found = told["ways"][f"without {capability}"]
    assert (found["started"], found["ExecMainStatus"]) == (False, "70")
    assert REFUSALS[capability] in found["log"]


def test_the_drop_in_for_full_proof_shows_what_only_an_administrator_is_shown(told):
    before, now = told["ways"]["unit"], told["ways"]["full-proof"]
    assert [now[how]["wrong"] for how in ("auto", "lookup")] == [[], []]
    assert {name for name, found in works(now["kernel"]).items() if found and not works(before["kernel"])[name]} == {
        *FULL_PROOF}
    assert now["lookup"]["known"]["backing"] > before["lookup"]["known"]["backing"]
    assert now["lookup"]["known"] == told["root_lookup"]["known"]


def test_a_user_sees_its_own_process_and_no_other(told):
    assert told["peers"] == {"statuses": {"own": 200, "root's": 404, "daemon": 404}, "listed": True, "root": True}


def test_nothing_can_be_written_or_changed(told):
    found = told["confined"]
    assert found["done"] == ["look at the host's root", "ask as a user", "ask as root", "test who may see what"]
    assert {name: why for name, why in found["refused"].items() if name.startswith("write /") and why != "EROFS"} == {
        f"write /proc/1/root{below}": "EACCES" for below in ("", "/etc", "/var/lib")}


def test_no_mount_of_its_own_namespace_can_be_written_to(told):
    # systemd-nspawn's own, and the one that the private /tmp covers.
    assert set(told["confined"]["writable"]) <= {"/tmp", "/run/host/os-release", "/run/host/incoming"}


def test_it_is_a_user_with_these_capabilities_and_cannot_get_others(told):
    status = told["confined"]["status"]
    uids = status["Uid"].split()
    assert len(set(uids)) == 1
    assert uids[0] != "0"
    assert len({status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}) == 1
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert told["confined"]["securebits"] == 0b1111  # SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, both locked


def test_a_question_starts_it_and_reload_and_stop_are_clean(told):
    assert told["life"] == {"first": 200, "reload": 0, "same": True, "ExecMainStatus": "0", "Result": "success",
                            "socket": True}


def test_tcp_is_listened_at_by_the_service_manager_and_asks_for_a_token(told):
    assert {name: told["tcp"][name] for name in ("started", "with", "without", "unix")} == {
        "started": True, "with": 200, "without": 401, "unix": 200}


def test_systemd_understands_every_line_of_the_units(told):
    # systemd 252 does not know the call yet, and says so.
    assert [line for line in told["verified"] if "ignoring: statmount" not in line] == []
