"""Telling the service manager how the daemon is, see sd_notify(3), sd_watchdog_enabled(3) and systemd.service(5)."""

import os
import socket
import time
from collections.abc import MutableMapping

_PATIENCE = 1.0  # seconds: the manager's queue is long
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Sends states to the manager that started us, and nothing where none did."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take what the manager said from the environment: no program that we start shall speak for us."""
        address, usec, pid = (environ.pop(name, "") for name in _VARIABLES)
        self._address = address if address[:1] in ("/", "@") else ""
        ours = not pid or pid == str(os.getpid())
        awaited = int(usec) / 1e6 if self._address and ours and usec.isascii() and usec.isdigit() else 0.0
        self.watchdog_seconds = awaited
        """How long the manager waits for alive() before it takes us for dead; 0 where it does not wait."""

    def ready(self, status: str) -> bool:
        """Say that requests are answered, at the start and after a reload."""
        return self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> bool:
        """Say that the settings are read again; ready() ends it."""
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> bool:
        """Say that no more requests are taken."""
        return self._send(f"STOPPING=1\nSTATUS={status}")

    def alive(self) -> bool:
        """Say that the daemon does not hang."""
        return self._send("WATCHDOG=1")

    def _send(self, state: str) -> bool:
        """Return whether the manager was told."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.settimeout(_PATIENCE)
                sending.sendto(state.encode(), self._address.replace("@", "\0", 1) if self._address[0] == "@"
                               else self._address)
        except OSError:
            # A manager that has gone is not missed; one that still waits ends us by itself.
            return False
        return True
