"""A network namespace of the tests' own, with a loopback interface and a virtual one that leads nowhere.

So nothing that a test or a browser sends can leave the machine, every port is free, and Firefox, which never uses the
loopback interface for media, has an address to use (it takes the one of the default route). Needs root, or a kernel
that lets users have namespaces, and the program ``ip``.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

ADDRESS = "10.77.0.1"
_NEWNET, _NEWUSER = 0x40000000, 0x10000000
_INTERFACES = (
    "link set lo up",
    "link add massalia0 type veth peer name massalia1",
    f"addr add {ADDRESS}/24 dev massalia0",
    "link set massalia0 up",
    "link set massalia1 up",
    "route add default dev massalia0",
)


def enter() -> bool:
    """Move this thread, and what it starts from now on, into a new namespace. False where the system does not allow
    it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEWNET) != 0:
        if libc.unshare(_NEWUSER | _NEWNET) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    for words in _INTERFACES:
        subprocess.run(["ip", *words.split()], check=True)
    return True
