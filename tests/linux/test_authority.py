"""Who may see which process: the kernel's own answer, compared with what a user's own cat gets."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mapsd.errors import NoAuthority
from mapsd.linux import authority, credentials
from mapsd.linux.authority import Authority, Peer
from tests.conftest import missing

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
    """Return whether a process that is the peer, without capabilities, reads the maps."""
    groups = f"--groups={','.join(map(str, peer.groups))}" if peer.groups else "--clear-groups"
    words = ["setpriv", f"--reuid={peer.uid}", f"--regid={peer.gid}", groups, *BARE, "cat", f"/proc/{pid}/maps"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", TARGETS)
def test_a_peer_sees_what_the_kernel_would_show_it(kind):
    with process(*TARGETS[kind]) as pid:
        for peer in PEERS:
            assert (kind, peer, Authority().may_see(peer, pid)) == (kind, peer, kernel_lets(peer, pid))


def test_a_process_that_hides_its_memory_is_seen_by_nobody_without_capabilities():
    with process(*TARGETS["own"], dumpable=False) as pid:
        assert [Authority().may_see(peer, pid) for peer in PEERS] == [kernel_lets(peer, pid) for peer in PEERS]
        assert not Authority().may_see(PEERS[0], pid)


def test_a_peer_of_other_namespaces_and_a_process_that_is_not_there_are_a_no():
    with process(*TARGETS["own"]) as pid:
        assert Authority().may_see(PEERS[0], pid)
        assert not Authority().may_see(PEERS[0]._replace(foreign=True), pid)
    assert not Authority().may_see(PEERS[0], (1 << 22) + 1)


def test_the_thread_is_itself_again_and_no_other_thread_changes():
    asked, before = Authority(), credentials.own()
    seen, stop = set(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(credentials.own())
    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(300):
        asked.may_see(PEERS[0], os.getpid())
        assert credentials.own() == before
    stop.set()
    watcher.join()
    assert seen == {before}
    assert credentials.dumpable() == 1


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


def test_a_credential_that_cannot_be_taken_on_is_a_no_and_all_is_restored(monkeypatch):
    before = credentials.own()
    monkeypatch.setattr(credentials, "_set_capabilities", refused(credentials._set_capabilities, 1))
    with process(*TARGETS["own"]) as pid:
        assert not Authority().may_see(PEERS[0], pid)
    assert credentials.own() == before


def refused(call, times: int):
    """Return a call that fails at first, and then does what it should."""
    left = [times]

    def once(*words: object) -> object:
        if left[0]:
            left[0] -= 1
            raise PermissionError(1, "Operation not permitted")
        return call(*words)
    return once


def test_a_thread_that_cannot_become_itself_again_ends_the_process():
    pid = os.fork()
    if not pid:
        credentials.restore = lambda _: (_ for _ in ()).throw(OSError(1, "no"))
        Authority().may_see(PEERS[0], os.getppid())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == authority._BROKEN


def test_it_tests_itself_and_says_what_is_missing():
    Authority().test()
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        try:
            Authority().test()
        except NoAuthority:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
