"""Who may see which process: the kernel's own answer, compared with what a user's own cat gets."""

import ctypes
import errno
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mapsd.errors import NoAuthority
from mapsd.linux import numbers, syscalls
from mapsd.linux.rights import credentials, disguise
from mapsd.linux.rights.authority import CHUNK, Authority, OwnAuthority, Peer, established
from mapsd.linux.rights.disguise import asked_as
from tests.conftest import missing
from tests.overlay.child import told
from tests.seccomp import Forbidden, forbid

PEERS = [Peer(65534, 65534, ()), Peer(65534, 65533, ()), Peer(65533, 65534, ()), Peer(65533, 65533, (65534,)),
         Peer(0, 0, ())]
BARE = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
TARGETS = {
    "own": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *BARE],
    "other gid": ["setpriv", "--reuid=65534", "--regid=65533", "--clear-groups", *BARE],
    "saved uid": ["setpriv", "--ruid=65534", "--euid=65533", "--regid=65534", "--clear-groups", *BARE],
    "extra capability": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_raw",
                         "--ambient-caps=+net_raw"],
    "root without capabilities": ["setpriv", *BARE],
    "root": ["setpriv"],
    "child user namespace": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *BARE, "unshare", "--user"],
    "child user namespace as root": ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *BARE, "unshare",
                                     "--user", "--map-root-user"],
}
PYTHON = "/usr/bin/python3"  # one that every user may execute
WAITS = "import ctypes, time; {hide}; print('ready', flush=True); time.sleep(60)"
HIDE = "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)"


@pytest.fixture(autouse=True)
def as_root() -> None:
    if os.geteuid() != 0:
        missing("root", "needs CAP_SETUID, CAP_SETGID and CAP_SYS_PTRACE")


@contextmanager
def process(*prefix: str, dumpable: bool = True) -> Iterator[int]:
    if not os.path.exists(PYTHON):
        missing("root", f"needs {PYTHON}")
    words = [*prefix, PYTHON, "-S", "-I", "-c", WAITS.format(hide="pass" if dumpable else HIDE)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as started:
        try:
            assert started.stdout is not None
            if started.stdout.readline() != b"ready\n":
                missing("root", f"{prefix} cannot be started here")
            yield started.pid
        finally:
            os.killpg(started.pid, signal.SIGKILL)


def kernel_lets(peer: Peer, pid: int) -> bool:
    """Return whether a process that is the peer, without capabilities, reads the maps, and is shown anything."""
    groups = f"--groups={','.join(map(str, peer.groups))}" if peer.groups else "--clear-groups"
    words = ["setpriv", f"--reuid={peer.uid}", f"--regid={peer.gid}", groups, *BARE, "cat", f"/proc/{pid}/maps"]
    done = subprocess.run(words, capture_output=True, check=False)
    return done.returncode == 0 and bool(done.stdout)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_peer_sees_what_the_kernel_would_show_it(kind):
    with process(*TARGETS[kind]) as pid:
        for peer in PEERS:
            assert (kind, peer, Authority().may_see(peer, pid)) == (kind, peer, kernel_lets(peer, pid))


def without_openat2() -> None:
    """Let the call fail as before Linux 5.6, and nothing be imported yet that stands in for it."""
    sys.modules.pop("mapsd.linux.stepwise", None)
    forbid(Forbidden(numbers.of("openat2"), errno.ENOSYS))


@pytest.mark.parametrize("kind", TARGETS)
def test_without_openat2_the_kernel_is_asked_as_well(kind):
    with process(*TARGETS[kind]) as pid:
        found = told(lambda: without_openat2() or [Authority().may_see(peer, pid) for peer in PEERS])
        assert (kind, found) == (kind, [kernel_lets(peer, pid) for peer in PEERS])


def test_without_openat2_it_passes_its_own_test():
    assert told(lambda: without_openat2() or Authority().test()) is None


def test_a_process_that_hides_its_memory_is_seen_by_nobody_without_capabilities():
    with process(*TARGETS["own"], dumpable=False) as pid:
        assert [Authority().may_see(peer, pid) for peer in PEERS] == [kernel_lets(peer, pid) for peer in PEERS]
        assert not Authority().may_see(PEERS[0], pid)


def test_a_peer_of_other_namespaces_and_a_process_that_is_not_there_are_a_no():
    with process(*TARGETS["own"]) as pid:
        assert Authority().may_see(PEERS[0], pid)
        assert not Authority().may_see(PEERS[0]._replace(foreign=True), pid)
    assert not Authority().may_see(PEERS[0], (1 << 22) + 1)


def test_many_are_asked_about_at_once_and_each_gets_its_own_answer():
    with process(*TARGETS["own"]) as own, process(*TARGETS["root"]) as other:
        pids = [own, other, (1 << 22) + 1] * CHUNK
        for peer in PEERS:
            assert set(Authority().visible(peer, pids)) == {pid for pid in (own, other) if kernel_lets(peer, pid)}


def test_nobody_without_capabilities_sees_the_daemon_itself_by_whatever_thread():
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    assert not Authority().visible(Peer(os.geteuid(), os.getegid(), ()), threads)
    assert not kernel_lets(Peer(os.geteuid(), os.getegid(), ()), os.getpid())
    seen = []
    thread = threading.Thread(target=lambda: seen.append(Authority().may_see(PEERS[0], threading.get_native_id())))
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_process_that_has_ended_and_a_thread_of_the_kernel_are_seen_by_nobody():
    with subprocess.Popen(["setpriv", "--reuid=65534", "true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert not Authority().may_see(PEERS[0], ended.pid)
    assert not Authority().may_see(PEERS[0], 2)


@pytest.mark.parametrize("number", [-1, 0xFFFFFFFF, 1 << 32])
def test_an_id_that_means_keep_is_no_id(number):
    with process(*TARGETS["root without capabilities"]) as pid:
        assert Authority().may_see(Peer(0, 0, ()), pid)
        for peer in (Peer(number, 0, ()), Peer(0, number, ()), Peer(0, 0, (number,))):
            assert not Authority().may_see(peer, pid)


def test_the_thread_is_itself_again_and_no_other_thread_changes():
    asked, before = Authority(), credentials.own()
    seen, stop = set(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(credentials.own())

    def ask() -> None:
        for _ in range(300):
            asked.may_see(PEERS[0], os.getppid())
            seen.add(credentials.own())
    watcher, asker = threading.Thread(target=watch), threading.Thread(target=ask)
    watcher.start()
    asker.start()
    asker.join()
    stop.set()
    watcher.join()
    assert seen == {before}
    assert credentials.dumpable() == 1
    assert gc.isenabled()


def test_the_main_thread_never_is_somebody_else_for_a_signal_may_come():
    seen, before = [], credentials.own()
    usual = signal.signal(signal.SIGALRM, lambda *_: seen.append(credentials.own()))

    def ask() -> Peer:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
        while not seen:
            os.sched_yield()
        return Peer(os.geteuid(), os.getegid(), tuple(os.getgroups()))
    try:
        assert asked_as(*PEERS[3][:3], ask) == PEERS[3]
    finally:
        signal.signal(signal.SIGALRM, usual)
    assert seen == [before]


def test_what_is_the_whole_process_s_is_given_back_by_the_last_thread():
    inside, leave = threading.Barrier(2), threading.Barrier(2)

    def ask() -> tuple[int, bool]:
        inside.wait()
        leave.wait()
        return credentials.dumpable(), gc.isenabled()
    other = threading.Thread(target=asked_as, args=(65533, 65533, (), ask))
    other.start()
    inside.wait()
    assert asked_as(65534, 65534, (), credentials.dumpable) != 1
    assert (credentials.dumpable() == 1, gc.isenabled()) == (False, False)
    leave.wait()
    other.join()
    assert (credentials.dumpable(), gc.isenabled()) == (1, True)


def test_the_peer_can_do_nothing_to_a_thread_that_is_it():
    with disguised(65534) as thread:
        assert in_another_process(bare_nobody, lambda: harm(thread)) == dict.fromkeys(HARM, "refused")


@contextmanager
def disguised(uid: int) -> Iterator[int]:
    """Give a thread of a daemon that is somebody else, as long as the block lasts."""
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.close(done[1])
        asked_as(uid, uid, (), lambda: (os.write(ready[1], b"%d" % threading.get_native_id()), os.read(done[0], 1)))
        os._exit(0)
    thread = int(os.read(ready[0], 20))
    assert f"\nUid:\t0\t{uid}\t0\t{uid}\n" in Path(f"/proc/{thread}/status").read_text()
    yield thread
    for fd in (*ready, *done):
        os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0


def traced(thread: int) -> None:
    seize, libc = 0x4206, ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(seize, thread, None, None) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


HARM: dict[str, Callable[[int], object]] = {
    "signal": lambda thread: os.kill(thread, 0),
    "nice": lambda thread: os.setpriority(os.PRIO_PROCESS, thread, 5),
    "scheduler": lambda thread: os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0)),
    "processors": lambda thread: os.sched_setaffinity(thread, {0}),
    "limits": lambda thread: resource.prlimit(thread, resource.RLIMIT_NOFILE),
    "memory": lambda thread: os.close(os.open(f"/proc/{thread}/maps", os.O_RDONLY)),
    "descriptors": lambda thread: os.listdir(f"/proc/{thread}/fd"),
    "oom": lambda thread: os.close(os.open(f"/proc/{thread}/oom_score_adj", os.O_WRONLY)),
    "trace": traced,
}


def harm(thread: int) -> dict[str, str]:
    return {name: tried(act, thread) for name, act in HARM.items()}


def tried(act: Callable[[int], object], thread: int) -> str:
    try:
        act(thread)
    except PermissionError:
        return "refused"
    return "done"


def test_questions_of_many_threads_do_not_mix():
    asked, wrong = Authority(), []
    with process(*TARGETS["own"]) as pid:
        def ask(peer: Peer, expected: bool) -> None:
            wrong.extend(peer for _ in range(200) if asked.may_see(peer, pid) != expected)
        threads = [threading.Thread(target=ask, args=(peer, peer == PEERS[0])) for peer in PEERS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize("left_out", ["setgroups", "setresgid", "setresuid", "capset"])
@pytest.mark.parametrize("fails", [True, False])
def test_a_credential_that_is_not_taken_on_is_a_no_and_all_is_restored(left_out, fails):
    def ask() -> list[bool]:
        before, peer = credentials.own(), PEERS[0]._replace(groups=(7,))
        credentials._call = once(credentials._call, left_out, fails=fails)
        return [*(Authority().may_see(peer, pid) for _ in range(2)), credentials.own() == before]
    with process(*TARGETS["own"]) as pid:
        assert in_another_process(DAEMONS["another user with capabilities"], ask) == [False, True, True]


def once(call: Callable[..., None], name: str, *, fails: bool) -> Callable[..., None]:
    """Return a call that, the first time, fails at *name*, or says that it was done."""
    left = [1]

    def made(called: str, *words: object) -> None:
        if called != name or not left:
            call(called, *words)
        elif left.pop() and fails:
            raise PermissionError(1, "Operation not permitted")
    return made


def test_without_a_descriptor_left_there_is_no_answer_rather_than_a_wrong_one():
    with process(*TARGETS["own"]) as pid:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        for left in (0, 1):
            low = lowest_free() + left
            resource.setrlimit(resource.RLIMIT_NOFILE, (low, limits[1]))
            try:
                with pytest.raises(OSError, match="Too many open files"):
                    Authority().may_see(PEERS[0], pid)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert Authority().may_see(PEERS[0], pid)


def lowest_free() -> int:
    fd = os.dup(2)
    os.close(fd)
    return fd


def test_no_descriptor_is_left_open():
    with process(*TARGETS["own"]) as pid:
        Authority().may_see(PEERS[0], pid)
        before = os.listdir("/proc/self/fd")
        Authority().visible(PEERS[0], [pid, pid, 1] * CHUNK)
        assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("failing", ["restore", "set_dumpable"])
def test_a_thread_that_cannot_become_itself_again_ends_the_process(failing):
    def ask() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        setattr(credentials, failing, lambda _: (_ for _ in ()).throw(MemoryError))
        Authority().may_see(PEERS[0], os.getppid())
    assert status_of(ask) == disguise.BROKEN


def status_of(act: Callable[[], object]) -> int:
    pid = os.fork()
    if not pid:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_another_process(become: Callable[[], None], ask: Callable[[], object]) -> object:
    """Return what *ask* returns in a process that became somebody else, or the name of its failure."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            become()
            found = ask()
        except BaseException as error:  # noqa: BLE001  (told to the test)
            found = repr(error)
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        text = file.read()
    os.waitpid(pid, 0)
    return json.loads(text)


PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 8, 28, 38
SETGID, SETUID, SYS_PTRACE = 6, 7, 19
NOROOT, NO_SETUID_FIXUP, KEEP_CAPS = 1, 4, 16


def prctl(option: int, value: int) -> None:
    assert ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0


def nobody() -> None:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


def bare_nobody() -> None:
    nobody()
    credentials.set_dumpable(1)


def daemon_with(*capabilities: int) -> None:
    """Be a user of its own with some capabilities, as a service manager starts a daemon."""
    prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([4])
    os.setresgid(990, 990, 990)
    os.setresuid(990, 990, 990)
    held = sum(1 << number for number in capabilities)
    credentials._set_capabilities((held, held, 0, 0, 0, 0))


DAEMONS: dict[str, Callable[[], None]] = {
    "another user with capabilities": lambda: daemon_with(SETUID, SETGID, SYS_PTRACE),
    "another user without ptrace": lambda: daemon_with(SETUID, SETGID),
    "no new privileges": lambda: prctl(PR_SET_NO_NEW_PRIVS, 1),
    "secure bits": lambda: prctl(PR_SET_SECUREBITS, NOROOT | NO_SETUID_FIXUP | KEEP_CAPS),
    "not dumpable": lambda: credentials.set_dumpable(0),
    "hidepid=2": lambda: own_procfs(b"hidepid=2"),
    "hidepid=4": lambda: own_procfs(b"hidepid=4"),
    "hidepid=2 but for a group": lambda: own_procfs(b"hidepid=2,gid=65533"),
}


def own_procfs(options: bytes) -> None:
    private, recursive, new_namespace = 1 << 18, 1 << 14, 0x20000
    syscalls.unshare(new_namespace)
    syscalls.mount(b"none", b"/", None, private | recursive)
    syscalls.mount(b"proc", b"/proc", b"proc", 0, options)


@pytest.mark.parametrize("kind", DAEMONS)
def test_whatever_the_daemon_is_the_kernel_s_answer_is_the_peer_s(kind):
    targets = ["own", "root", "extra capability", "child user namespace as root"]

    def ask() -> list[list[bool]]:
        authority, before, dumpable = established(), credentials.own(), credentials.dumpable()
        found = [[authority.may_see(peer, pid) for pid in pids] for peer in PEERS]
        assert (credentials.own(), credentials.dumpable()) == (before, dumpable)
        return found
    with process(*TARGETS[targets[0]]) as a, process(*TARGETS[targets[1]]) as b, \
            process(*TARGETS[targets[2]]) as c, process(*TARGETS[targets[3]]) as d:
        pids = [a, b, c, d]
        assert in_another_process(DAEMONS[kind], ask) == [[kernel_lets(peer, pid) for pid in pids] for peer in PEERS]


@pytest.mark.parametrize("as_on", [lambda: None, without_openat2])
def test_a_file_that_was_bound_over_maps_is_no_answer(as_on):
    def bound_over(pid: int) -> None:
        own_procfs(b"")
        syscalls.mount(b"/proc/self/limits", b"/proc/%d/maps" % pid, None, 1 << 12)
    with process(*TARGETS["root"]) as pid:
        def ask() -> tuple[bool, bool]:
            with open(f"/proc/{pid}/maps", "rb") as file:
                return file.readline().startswith(b"Limit"), Authority().may_see(PEERS[0], pid)
        assert in_another_process(lambda: bound_over(pid) or as_on(), ask) == [True, False]


def test_processes_have_the_numbers_of_the_procfs_that_is_asked():
    with process("unshare", "--pid", "--fork", "--kill-child", *TARGETS["own"]) as outside:
        inside = child_of(outside)
        with process("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *TARGETS["own"]) as other:
            assert not Authority(b"/proc/%d/root/proc" % child_of(other)).visible(PEERS[0], [inside, 2])
            assert list(Authority(b"/proc/%d/root/proc" % child_of(other)).visible(PEERS[0], [1])) == [1]
        with pytest.raises(NoAuthority):
            established(b"/nowhere")


def child_of(pid: int) -> int:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return int(file.read().split()[0])


def test_a_daemon_without_capabilities_answers_its_own_user_alone():
    def ask(pids: list[int]) -> tuple[str, list[list[int]]]:
        authority = established()
        peers = [*PEERS, PEERS[0]._replace(foreign=True)]
        return type(authority).__name__, [sorted(authority.visible(peer, pids)) for peer in peers]
    with process(*TARGETS["own"]) as own, process(*TARGETS["own"], dumpable=False) as hidden, \
            process(*TARGETS["root"]) as other, process(*TARGETS["extra capability"]) as stronger:
        found = in_another_process(bare_nobody, lambda: ask([own, hidden, other, stronger]))
        assert found == ["OwnAuthority", [[own], [], [], [], [], []]]


@pytest.mark.parametrize("shown", [1, 0])
def test_its_own_user_sees_it_unless_it_hides_its_memory(shown):
    def become() -> None:
        nobody()
        credentials.set_dumpable(shown)
    assert in_another_process(become, lambda: OwnAuthority().may_see(PEERS[0], os.getpid())) is bool(shown)


def test_it_tests_itself_and_says_what_is_missing():
    assert isinstance(established(), Authority)
    assert "CAP_SETUID and CAP_SETGID are needed" in str(in_another_process(
        lambda: daemon_with(SYS_PTRACE), established))
    assert "rights that our user does not have" in str(in_another_process(lambda: daemon_with(SYS_PTRACE),
                                                                          OwnAuthority().test))


def test_a_kernel_whose_changed_processes_are_dumpable_is_refused(monkeypatch):
    monkeypatch.setattr(credentials, "dumpable", lambda: 1)
    with pytest.raises(NoAuthority, match="suid_dumpable"):
        Authority().test()
