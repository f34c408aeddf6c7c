"""System call numbers, constants and structures beside the kernel's own headers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mapsd.errors import MachineUnknown
from mapsd.linux import handles, namespaces, numbers, ownoverlay, procmap, syscalls
from mapsd.linux.bpf import bpf
from tests.cli.command import MAPSD
from tests.conftest import missing

INCLUDE = Path("/usr/include")
HEADERS = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}
LAST_OWN = 423  # from 424 on (Linux 5.1) a call has one number on every machine
# Macro: what mapsd has. Those that the headers are too old for are left out.
CONSTANTS = {
    **{name: getattr(syscalls, name) for name in (
        "AT_FDCWD", "AT_EMPTY_PATH", "AT_STATX_DONT_SYNC", "AT_HANDLE_FID", "RESOLVE_NO_XDEV", "RESOLVE_NO_MAGICLINKS",
        "RESOLVE_NO_SYMLINKS", "RESOLVE_BENEATH", "RESOLVE_IN_ROOT", "STATX_BASIC_STATS", "STATX_BTIME",
        "STATX_MNT_ID", "STATX_MNT_ID_UNIQUE", "PROT_READ", "MAP_SHARED", "MADV_POPULATE_READ")},
    "CLONE_NEWNS": ownoverlay._CLONE_NEWNS, "MS_REC": ownoverlay._MS_REC, "MS_PRIVATE": ownoverlay._MS_PRIVATE,
    "BPF_F_SLEEPABLE": bpf._F_SLEEPABLE, "PROCMAP_QUERY": procmap._PROCMAP_QUERY,
    "FS_IOC_GETFSUUID": handles._FS_IOC_GETFSUUID, "NS_MNT_GET_INFO": namespaces._NS_MNT_GET_INFO,
    "NS_MNT_GET_NEXT": namespaces._NS_MNT_GET_NEXT, "NS_MNT_GET_PREV": namespaces._NS_MNT_GET_PREV,
}
ENUMS = {
    "BPF_MAP_CREATE": bpf._MAP_CREATE, "BPF_MAP_UPDATE_ELEM": bpf._MAP_UPDATE_ELEM, "BPF_PROG_LOAD": bpf._PROG_LOAD,
    "BPF_OBJ_PIN": bpf._OBJ_PIN, "BPF_PROG_RUN": bpf._PROG_RUN, "BPF_LINK_CREATE": bpf._LINK_CREATE,
    "BPF_ITER_CREATE": bpf._ITER_CREATE, "BPF_MAP_TYPE_ARRAY": bpf._MAP_TYPE_ARRAY,
    "BPF_PROG_TYPE_SYSCALL": bpf._PROG_TYPE_SYSCALL, "BPF_TRACE_ITER": bpf._TRACE_ITER,
}
SINCE_6_5 = {"AT_HANDLE_FID", "STATX_MNT_ID_UNIQUE", "PROCMAP_QUERY", "FS_IOC_GETFSUUID", "NS_MNT_GET_INFO",
             "NS_MNT_GET_NEXT", "NS_MNT_GET_PREV"}
# The members of struct statx in the order of mapsd's format, and where Linux has each.
STATX = ("stx_mask", "stx_nlink", "stx_mode", "stx_ino", "stx_size", "stx_btime.tv_sec", "stx_btime.tv_nsec",
         "stx_ctime.tv_sec", "stx_ctime.tv_nsec", "stx_rdev_major", "stx_rdev_minor", "stx_dev_major", "stx_dev_minor",
         "stx_mnt_id")
INCLUDES = ("linux/fcntl.h", "linux/openat2.h", "linux/stat.h", "linux/mman.h", "linux/sched.h", "linux/mount.h",
            "linux/bpf.h", "linux/fs.h", "linux/nsfs.h", "stddef.h")


def header(machine: str) -> dict[str, int]:
    """Return the numbers that a header has, by name."""
    path = INCLUDE / HEADERS[machine]
    if not path.exists():
        missing("overlay", f"needs {path} (linux-libc-dev)")
    return {name: int(value) for name, value in re.findall(r"#define __NR_(\w+) (\d+)\b", path.read_text())}


@pytest.mark.parametrize("machine", HEADERS)
def test_every_number_is_the_kernels(machine):
    known, place = header(machine), numbers.MACHINES[machine]
    ours = {name: row[place] for name, row in numbers.NUMBERS.items()}
    older = {name: value for name, value in ours.items() if name in known}
    assert older == {name: known[name] for name in older}
    assert set(older) >= {"renameat2", "bpf", "statx", "openat2"}
    # A call that the headers do not have yet has no number that they give to another.
    assert not {ours[name] for name in ours.keys() - older} & set(known.values())


def test_a_new_call_has_one_number_on_every_machine():
    for row in numbers.NUMBERS.values():
        assert len(set(row)) == 1 or max(row) <= LAST_OWN


@pytest.mark.parametrize(("machine", "largest", "place"), [
    ("x86_64", 2**63 - 1, 0), ("i686", 2**63 - 1, 0), ("aarch64", 2**63 - 1, 1), ("armv8l", 2**63 - 1, 1),
    ("riscv64", 2**63 - 1, 1), ("x86_64", 2**31 - 1, None), ("i686", 2**31 - 1, None), ("armv7l", 2**31 - 1, None),
    ("s390x", 2**63 - 1, None), ("aarch64_be", 2**63 - 1, None)])
def test_a_machine_has_its_column_or_none(machine, largest, place):
    assert numbers.column(machine, largest) == place


def test_the_failure_names_the_machine_and_those_that_are_known(monkeypatch):
    monkeypatch.setattr(numbers, "_HERE", None)
    with pytest.raises(MachineUnknown, match="64 bit") as raised:
        syscalls.statx(0)
    for machine in numbers.MACHINES.keys() - {"i686", "armv8l"}:
        assert machine in str(raised.value)


@pytest.mark.parametrize("words", [["lookup", "self"], ["extract", "self", "0x1000", "-o", "-"]])
def test_a_machine_that_is_not_known_is_one_line(checkout, words):
    code = ("import os, sys\nn = os.uname()\nos.uname = lambda: os.uname_result((*n[:4], 'ppc64le'))\n"
            "from mapsd.cli.__main__ import main\nsys.exit(main(sys.argv[1:]))")
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == ("mapsd: mapsd knows the system calls of x86_64, aarch64 and riscv64, not of ppc64le, "
                           "64 bit\n")


def test_a_personality_of_32_bits_changes_the_name_of_the_machine_only():
    """See personality(2), PER_LINUX32: uname(2) then says i686 or armv8l."""
    done = subprocess.run(["setarch", "linux32", MAPSD, "lookup", "self"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "current" in done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> dict[str, int]:
    """What a C compiler makes of the names, without those that its headers lack."""
    def line(name: str) -> str:
        return f'printf("{name} %lld\\n", (long long)({name}));'
    macros = "".join(f"#ifdef {name}\n{line(name)}\n#endif\n" for name in CONSTANTS)
    members = "".join(f'printf("{name} %zu\\n", offsetof(struct statx, {name}));' for name in STATX)
    source = "".join(f"#include <{name}>\n" for name in (*INCLUDES, "stdio.h"))
    source += f"int main(void) {{\n{macros}{''.join(map(line, ENUMS))}{members} return 0; }}"
    program = tmp_path_factory.mktemp("numbers") / "program"
    try:
        subprocess.run(["gcc", "-x", "c", "-o", program, "-"], input=source.encode(), check=True)
    except FileNotFoundError:
        missing("overlay", "needs gcc")
    words = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def test_constants_are_the_kernels(compiled):
    ours = {name: value for name, value in {**CONSTANTS, **ENUMS}.items() if name in compiled}
    assert ours == {name: compiled[name] for name in ours}
    assert (CONSTANTS.keys() | ENUMS.keys()) - ours.keys() <= SINCE_6_5


def test_struct_statx_is_read_where_the_kernel_writes_it(compiled):
    """Its members have fixed sizes, so it is the same on every machine."""
    data = bytearray(256)
    unpack = syscalls._STATX.unpack_from
    for place, member in enumerate(STATX):
        blank = unpack(data)
        data[compiled[member]] = 1
        changed = [number for number, (one, other) in enumerate(zip(blank, unpack(data), strict=True)) if one != other]
        assert changed == [place], member
        data[compiled[member]] = 0


@pytest.mark.parametrize(("ours", "direction", "kind", "number", "size"), [
    (procmap._PROCMAP_QUERY, 3, ord("f"), 17, procmap._QUERY.size), (handles._FS_IOC_GETFSUUID, 2, 0x15, 0, 17),
    (namespaces._NS_MNT_GET_INFO, 2, 0xB7, 10, namespaces._INFO.size),
    (namespaces._NS_MNT_GET_NEXT, 2, 0xB7, 11, namespaces._INFO.size),
    (namespaces._NS_MNT_GET_PREV, 2, 0xB7, 12, namespaces._INFO.size)])
def test_an_ioctl_is_what_the_macros_of_most_machines_make(ours, direction, kind, number, size):
    """x86, arm64 and riscv use <asm-generic/ioctl.h>: number, kind, size and direction, from the lowest bit."""
    assert ours == direction << 30 | size << 16 | kind << 8 | number
