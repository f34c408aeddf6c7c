"""`mapsd doctor`: what it finds is so, whoever asks, and nothing of it is left behind."""

import errno
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

from mapsd.cli import doctor as command
from mapsd.cli.arguments import parse
from mapsd.linux import capabilities, doctor, numbers, shows, trials
from mapsd.linux.capabilities import NUMBERS, Capabilities
from mapsd.linux.doctor import Diagnosis, Finding
from mapsd.linux.trials import Asked
from mapsd.model import DeviceId, Mount, Vma
from tests.cli.command import BOUND, CHECKOUT, MAPSD, NOBODY, until
from tests.conftest import missing
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
from tests.seccomp import Forbidden, forbid

SCHEMA = Draft202012Validator(json.loads((CHECKOUT / "docs/schema/doctor.json").read_text()))
INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # PROC_USER_INIT_INO, include/linux/proc_ns.h
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
ALL = Capabilities(tuple(NUMBERS), initial=True)
NONE = Capabilities((), initial=True)
CONTAINED = Capabilities(tuple(NUMBERS), initial=False)


def valid(answer: dict) -> dict:
    assert [error.message for error in SCHEMA.iter_errors(answer)] == []
    return answer


def here() -> dict:
    status, [text] = command.run(parse(["--json"], command.COMMAND))
    assert status == 0
    return valid(json.loads(text))


def shipped(*words: str, prefix: tuple[str, ...] | list[str] = ()) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*prefix, MAPSD, "doctor", *words], capture_output=True, timeout=BOUND, check=False)


def asked_by(prefix: list[str]) -> dict:
    if prefix and shutil.which(prefix[0]) is None:
        missing("root", f"needs {prefix[0]}")
    done = shipped("--json", prefix=prefix)
    assert (done.returncode, done.stderr) == (0, b"")
    return valid(json.loads(done.stdout))


def works(answer: dict) -> dict[str, bool | None]:
    return {one["name"]: one["works"] for one in (*answer["proofs"], *answer["findings"])}


def one(answer: dict, name: str) -> dict:
    return next(row for row in (*answer["proofs"], *answer["findings"]) if row["name"] == name)


@cache
def can_run(*prefix: str) -> bool:
    return bool(shutil.which(prefix[0])) and not subprocess.run(
        [*prefix, "true"], capture_output=True, check=False).returncode


@pytest.fixture
def privileged(root):
    if capabilities.own().missing or not capabilities.own().initial:
        missing("root", "needs every capability in the initial user namespace")
    return root


@pytest.mark.usefixtures("privileged")
def test_whoever_may_do_everything_is_told_what_the_kernel_has():
    answer = asked_by([])
    kernel = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    overlay_inode = kernel >= (6, 8)
    assert answer["kernel"] == {"release": os.uname().release,
                                "shows": "overlay-inode" if overlay_inode else "backing-inode"}
    assert answer["capabilities"] == {"held": list(NUMBERS), "missing": [], "initial_user_namespace": True}
    seen = works(answer)
    assert (seen["kernel-inode"], seen["page-frame"], seen["lookup"]) == (not overlay_inode, True, True)
    assert (seen["build-id"], seen["file-handles"]) == (kernel >= (6, 11), kernel >= (6, 6))
    assert (seen["map-files"], seen["processes"], seen["layers"], seen["shows"]) == (True,) * 4
    assert seen["bpf"] or not os.path.exists("/sys/kernel/btf/vmlinux") or kernel < (6, 7)


@pytest.mark.usefixtures("privileged")
@pytest.mark.parametrize("lacking", LACKING)
def test_whoever_lacks_capabilities_is_told_which_and_what_for(lacking):
    full = works(here())
    gone = {name for name, number in NUMBERS.items() if number in LACKING[lacking]}
    answer = told(lambda: drop(LACKING[lacking]) or here())
    valid(answer)
    assert set(answer["capabilities"]["missing"]) == gone
    seen = works(answer)
    assert (seen["page-frame"], seen["lookup"]) == (False, False)  # none of them has CAP_SYS_ADMIN
    assert one(answer, "page-frame")["needs"] == ["CAP_SYS_ADMIN"]
    assert seen["bpf"] == (full["bpf"] and not gone & {"CAP_BPF", "CAP_PERFMON"})
    assert seen["map-files"] == ("CAP_CHECKPOINT_RESTORE" not in gone)
    assert seen["layers"] == ("CAP_DAC_READ_SEARCH" not in gone)
    assert seen["build-id"] == full["build-id"]
    for row in (*answer["proofs"], *answer["findings"]):
        assert set(row["needs"] or ()) <= gone
        assert all(name in row["advice"] for name in row["needs"] or ())


@pytest.mark.usefixtures("privileged")
def test_a_kernel_whose_iterator_tells_no_layer_is_told_which_one_does():
    if "[confidentiality]" in trials.text(trials.LOCKDOWN) or not os.path.exists(trials.BTF):
        missing("root", "needs BTF, and no lockdown=confidentiality")
    answer = told(lambda: forbid(Forbidden(numbers.of("bpf"), errno.ENOSYS)) or here())
    # Linux 6.1 to 6.6 have the iterator: the layer's path is beside the user's since v6.7 (def3ae83da02).
    assert (one(answer, "bpf")["works"], one(answer, "bpf")["needs"]) == (False, None)
    assert one(answer, "bpf")["advice"] == "Linux 6.7 or later; see the reason"


@pytest.mark.usefixtures("root")
def test_each_capability_that_is_given_is_seen():
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    for name in NUMBERS:
        word = name.removeprefix("CAP_").lower()
        answer = asked_by([*NOBODY, f"--inh-caps=-all,+{word}", f"--ambient-caps=-all,+{word}"])
        assert answer["capabilities"]["held"] == [name]


@pytest.mark.usefixtures("root")
def test_an_ordinary_user_is_told_as_well():
    answer = asked_by(NOBODY)
    assert (answer["capabilities"]["held"], answer["capabilities"]["missing"]) == ([], list(NUMBERS))
    seen = works(answer)
    assert not any(seen[name] for name in ("bpf", "page-frame", "lookup", "processes", "map-files", "layers"))
    assert seen["build-id"] == works(here())["build-id"]
    assert one(answer, "bpf")["advice"] == "run as root, or give CAP_BPF and CAP_PERFMON"
    table = shipped(prefix=NOBODY)
    assert (table.returncode, table.stderr) == (0, b"")
    assert b"\nADVICE\n" in table.stdout


@pytest.mark.usefixtures("root")
def test_a_mapped_file_on_an_overlay_tells_whoever_may_mount_nothing_what_maps_shows():
    if not can_run("unshare", "-m"):
        missing("root", "no mount namespace may be made")
    python = Path(os.path.realpath(sys.executable))
    script = ("mount -t tmpfs tmpfs /mnt && mkdir /mnt/m /mnt/u /mnt/w && mount -t overlay overlay -o "
              f"lowerdir={python.parent},upperdir=/mnt/u,workdir=/mnt/w /mnt/m && "
              f'exec {" ".join(POWERLESS)} /mnt/m/{python.name} -S -c "$0"')
    program = (f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); from mapsd.cli.__main__ import main; "
               "sys.exit(main(['doctor', '--json']))")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, program], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONHOME": sys.base_prefix}, timeout=BOUND)
    assert (done.returncode, done.stderr) == (0, "")
    answer = valid(json.loads(done.stdout))
    assert answer["capabilities"]["held"] == []
    assert answer["kernel"]["shows"] == here()["kernel"]["shows"]
    assert "that we have mapped" in one(answer, "shows")["detail"]
    assert works(answer)["file-handles"] == works(here())["file-handles"]


def test_in_a_user_namespace_no_capability_counts():
    prefix = ["unshare", "--user", "--map-root-user"]
    if not can_run(*prefix):
        missing("root", "no user namespace may be made")
    answer = asked_by(prefix)
    assert answer["capabilities"]["initial_user_namespace"] is False
    assert set(answer["capabilities"]["held"]) == set(NUMBERS)
    seen = works(answer)
    assert not any(seen[name] for name in ("bpf", "page-frame", "lookup", "processes", "map-files", "layers"))
    assert one(answer, "lookup")["needs"] == ["CAP_SYS_ADMIN"]
    assert one(answer, "lookup")["advice"].endswith(", in the initial user namespace")


@pytest.mark.usefixtures("privileged")
def test_a_proc_of_another_pid_namespace_is_told():
    answer = asked_by(["unshare", "--mount", "--pid", "--fork"])
    assert (works(answer)["build-id"], works(answer)["page-frame"]) == (works(here())["build-id"], True)
    if works(here())["bpf"]:
        assert one(answer, "bpf")["advice"] == "mount the /proc of your own pid namespace"


@pytest.mark.usefixtures("root")
def test_without_proc_nothing_can_be_examined():
    if not can_run("unshare", "-m"):
        missing("root", "no mount namespace may be made")
    done = shipped(prefix=["unshare", "-m", "sh", "-c", 'umount -l /proc; exec "$@"', "sh"])
    assert (done.returncode, done.stdout) == (70, b"")
    assert done.stderr.startswith(b"mapsd: this machine cannot be examined: ")


def test_the_user_namespace_is_told_by_the_kernel_as_well():
    same = os.stat("/proc/self/ns/user").st_ino == INITIAL_USER_NAMESPACE
    assert here()["capabilities"]["initial_user_namespace"] == same


def test_nothing_is_left_behind():
    def state() -> tuple:
        mappings = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line]
        return Path("/proc/self/mountinfo").read_bytes(), sorted(mappings), sorted(os.listdir("/proc/self/fd"))
    here()
    before, threads = state(), len(os.listdir("/proc/self/task"))
    for _ in range(3):
        here()
    assert state() == before
    until(lambda: len(os.listdir("/proc/self/task")) <= threads)


def test_what_it_is_short_of_is_a_finding():
    if shutil.which("prlimit") is None:
        missing("root", "needs prlimit")
    prefix = NOBODY if os.geteuid() == 0 else []
    answer = asked_by(["prlimit", "--nproc=1:1", *prefix])
    assert answer["kernel"]["shows"] in {None, "overlay-inode", "backing-inode"}
    for limit in range(4, 12):
        python = [sys.executable, "-S", "-m", "mapsd.cli.__main__", "doctor", "--json"]
        done = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", *python], capture_output=True, check=False,
                              cwd=CHECKOUT, timeout=BOUND)
        assert all(line.startswith(b"mapsd: ") for line in done.stderr.splitlines()), done.stderr.decode()
        assert done.returncode == 70 or valid(json.loads(done.stdout))


def test_what_cannot_be_tried_is_not_established_and_says_why():
    def fails(_: Asked) -> trials.Seen:
        raise OSError(5, "Input/output error")
    seen = doctor.answered(fails, asked())
    assert (seen.works, seen.detail) == (None, "it could not be tried: [Errno 5] Input/output error")


def mount(options: bytes = b"rw", mount_id: int = 1, fs_type: bytes = b"proc", minor: int = 4) -> Mount:
    return Mount(mount_id, 0, DeviceId(0, minor), b"/", b"/proc", fs_type, options)


def asked(*mounts: Mount, held: Capabilities = NONE, what: str | None = None) -> Asked:
    return Asked("Operation not permitted", mounts, held, shows.Shows(what, "why"))


@pytest.mark.parametrize(("options", "held", "found"), [
    ([], NONE, True), ([b"rw"], NONE, True), ([b"rw,hidepid=0"], NONE, True), ([b"rw,hidepid=off"], NONE, True),
    ([b"rw,hidepid=2"], NONE, False), ([b"rw,hidepid=invisible"], NONE, False), ([b"rw,hidepid=invisible"], ALL, True),
    ([b"rw,hidepid=ptraceable"], CONTAINED, False), ([b"rw,hidepid=2", b"rw"], NONE, True)])
def test_a_proc_that_hides_processes_is_told(options, held, found):
    seen = doctor.hidden_processes(asked(*map(mount, options), held=held))
    assert seen.works == found
    assert (seen.needs == ("CAP_SYS_PTRACE",)) == (not found)


@pytest.mark.parametrize(("what", "found"), [("backing-inode", True), ("overlay-inode", False), (None, None)])
def test_maps_alone_proves_where_it_shows_the_layer_file(what, found):
    assert trials.kernel_inode(asked(what=what)).works is found


@pytest.mark.parametrize(("device", "what"), [
    (DeviceId(0, 50), "overlay-inode"), (DeviceId(254, 0), "backing-inode"), (DeviceId(0, 30), "backing-inode"),
    (DeviceId(0, 99), None), (DeviceId(0, 51), None)])
def test_a_file_on_an_overlay_tells_by_its_device(device, what):
    overlay, inner = (mount(b"", number, b"overlay", minor) for number, minor in ((7, 50), (8, 51)))
    tmpfs = mount(b"", 9, b"tmpfs", 30)
    vma = Vma(4096, 8192, "r--p", 0, device, 5, b"/bin/python3")
    assert shows.of_others([vma], [overlay, inner, tmpfs], lambda *_: (overlay, vma)).what == what
    assert shows.of_others([vma], [overlay, inner, tmpfs], lambda *_: None).what is None


@pytest.mark.parametrize(("held", "lacks", "advice"), [
    (ALL, (), ""), (NONE, ("CAP_BPF", "CAP_PERFMON"), "run as root, or give CAP_BPF and CAP_PERFMON"),
    (Capabilities(("CAP_SYS_ADMIN",), initial=True), (), ""),
    (Capabilities(("CAP_BPF",), initial=True), ("CAP_PERFMON",), "run as root, or give CAP_PERFMON"),
    (CONTAINED, ("CAP_BPF", "CAP_PERFMON"),
     "run as root, or give CAP_BPF and CAP_PERFMON, in the initial user namespace")])
def test_sys_admin_stands_for_its_parts_and_nothing_counts_in_another_namespace(held, lacks, advice):
    assert (held.lacks("CAP_BPF", "CAP_PERFMON"), held.advice("CAP_BPF", "CAP_PERFMON")) == (lacks, advice)


def test_the_table_has_aligned_columns_and_no_control_byte():
    found = Diagnosis("6.1\x1b[31m", None, NONE, (Finding("bpf", False, "no\u202e\x07", ("CAP_BPF",), "root\n"),),
                      (Finding("map-files", None, "\udcff", (), ""),))
    lines = command._lines(found, set())
    assert all(line.isprintable() for line in lines)
    rows = [line for line in lines if line.startswith(("PROOF", "bpf   ", "FINDING", "map-files"))][:4]
    assert len({row.index(cell) for row, cell in zip(rows, ("WORKS", "no", "WORKS", "?"), strict=True)}) == 1
    assert lines[-1] == "bpf     root\\x0a"
    valid(json.loads(command._lines(found, {"json"})[0]))


def test_what_is_no_option_is_not_understood():
    assert (shipped("1").returncode, shipped("--helpp").returncode) == (2, 2)


def test_a_finding_that_works_needs_nothing():
    broken = here()
    broken["findings"][0].update(works=True, needs=["CAP_BPF"])
    assert not SCHEMA.is_valid(broken)
