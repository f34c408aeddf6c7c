"""Why the daemon offers no Landlock: whoever is in a domain may look at no process outside it, whatever it may do.

hook_ptrace_access_check() in security/landlock/task.c asks for no mode and no capability, since Linux 5.13.
"""

import ctypes
import json
import os
import struct
import subprocess
import sys

import pytest

from tests.cli.command import BOUND, MAPSD, child, mapped
from tests.conftest import missing
from tests.schema import validate

CREATE_RULESET, RESTRICT_SELF = 444, 446  # one number on every machine, as for all calls since Linux 5.1
MAKE_DIR, PR_SET_NO_NEW_PRIVS, VERSION = 1 << 7, 38, 1
_libc = ctypes.CDLL(None, use_errno=True)


def restrict() -> None:
    """Forbid ourselves to make a directory, and nothing else. See landlock(7)."""
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    rules = _libc.syscall(CREATE_RULESET, struct.pack("=Q", MAKE_DIR), ctypes.c_size_t(8), 0)
    assert rules >= 0, os.strerror(ctypes.get_errno())
    assert _libc.syscall(RESTRICT_SELF, rules, 0) == 0, os.strerror(ctypes.get_errno())


@pytest.fixture(autouse=True)
def landlock() -> None:
    if _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION) < 1:
        missing("landlock", "this kernel has no Landlock, or was booted without it")


def asked(pid: int, *, restricted: bool) -> dict | None:
    """Return what the command says of another process, None where it may not be looked at at all."""
    done = subprocess.run([MAPSD, "lookup", str(pid), "--json"], capture_output=True, timeout=BOUND, check=False,
                          preexec_fn=restrict if restricted else None)
    return None if done.returncode == 3 else validate(json.loads(done.stdout))


def test_under_landlock_no_file_of_another_process_is_known(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 4096)
    with child(lambda: mapped(path)) as pid:
        free, bound = asked(pid, restricted=False), asked(pid, restricted=True)
    assert str(path) in {one["user_path"] for one in free["mappings"]}
    # CAP_PERFMON reads maps all the same since Linux 6.15: may_access_mm() in kernel/fork.c.
    if bound is not None:
        assert bound["process"]["root"] is None
        files = [one for one in bound["mappings"] if one["kind"] == "file"]
        assert files
        assert {(one["user_path"], one["state"]) for one in files} == {(None, "unknown")}


def test_under_landlock_a_process_sees_itself():
    program = "import os, sys; sys.stdout.write(os.readlink('/proc/self/exe'))"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, timeout=BOUND,
                          check=True, preexec_fn=restrict)
    assert done.stdout == os.path.realpath(sys.executable)
