"""The numbers of the system calls that are made without the C library: one table for every machine.

x86_64 has its own (arch/x86/entry/syscalls/syscall_64.tbl); aarch64 has the one of newer architectures
(include/uapi/asm-generic/unistd.h, scripts/syscall.tbl since Linux 6.11), which is riscv64's as well. A call that is
newer than Linux 5.0 has one number on all of them.
"""

import os
import sys

from mapsd.errors import MachineUnknown

NUMBERS = {  # x86_64, aarch64
    "setgroups": (116, 159),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "capget": (125, 90),
    "capset": (126, 91),
    "renameat2": (316, 276),
    "bpf": (321, 280),
    "statx": (332, 291),
    "openat2": (437, 437),
    "statmount": (457, 457),
}
# As uname(2) has them; setarch(8) makes it say i686 or armv8l to a process of 64 bits.
MACHINES = {"x86_64": 0, "i686": 0, "aarch64": 1, "armv8l": 1, "riscv64": 1}


def column(machine: str, largest: int) -> int | None:
    """Return which column of NUMBERS is a machine's, None where none is.

    *largest* is the interpreter's sys.maxsize: a process of 32 bits has other numbers and structures.
    """
    return MACHINES.get(machine) if largest > 1 << 32 else None


_HERE = column(os.uname().machine, sys.maxsize)


def of(name: str) -> int:
    """Return the number of a system call on this machine. Raises MachineUnknown."""
    if _HERE is None:
        raise MachineUnknown(os.uname().machine, 64 if sys.maxsize > 1 << 32 else 32)
    return NUMBERS[name][_HERE]
