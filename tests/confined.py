"""
``python -m confined UNIT COMMAND...``: COMMAND with what a systemd unit denies it, without systemd.

Its system call filter and address families through libseccomp, its refusal of memory that is writable
and executable through prctl where the kernel has that, and its environment in place of this one.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

ALLOW, EPERM, EQUAL = 0x7FFF0000, 0x00050001, 4
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}


class Argument(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


def values(unit: Path, key: str) -> list[str]:
    """Every value of *key* in *unit*, in order."""
    lines = [line.strip().partition("=") for line in unit.read_text().splitlines()]
    return [value for name, _, value in lines if name == key]


def calls(name: str) -> set[str]:
    """The system calls of a set such as ``@system-service``."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    lines = (line.strip() for line in listed.stdout.splitlines()[1:])
    return {call for line in lines if line and not line.startswith("#") for call in calls(line)}


def filtered(unit: Path) -> set[str]:
    """What the unit's filter allows."""
    allowed = calls("@default")
    for value in values(unit, "SystemCallFilter"):
        named = {call for name in value.lstrip("~").split() for call in calls(name)}
        allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def confine(unit: Path) -> None:
    """Put this process, and what it becomes, under the unit's filter for good."""
    seccomp, libc = ctypes.CDLL("libseccomp.so.2"), ctypes.CDLL(None)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(EPERM))
    add = seccomp.seccomp_rule_add_array
    for call in sorted(filtered(unit) - {"socket"}):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            add(context, ctypes.c_uint32(ALLOW), number, 0, None)
    number = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in " ".join(values(unit, "RestrictAddressFamilies")).split():
        first = Argument(0, EQUAL, FAMILIES[family], 0)
        assert add(context, ctypes.c_uint32(ALLOW), number, 1, ctypes.byref(first)) == 0
    if "yes" in values(unit, "MemoryDenyWriteExecute"):
        libc.prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    chosen = Path(sys.argv[1])
    told = [pair.partition("=") for value in values(chosen, "Environment") for pair in value.split()]
    environ = {name: value for name, _, value in told if "%" not in value}
    confine(chosen)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    os.execve(sys.argv[2], sys.argv[2:], kept | environ)
