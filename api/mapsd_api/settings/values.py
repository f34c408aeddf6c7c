"""How the value of a setting is written: one reader a form, from text to value."""

import grp
import ipaddress
import os
import pwd
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mapsd.settings import Setting

_NUMBER = re.compile(r"[0-9]{1,12}")
_ADDRESS = re.compile(r"(?:\[([0-9A-Za-z:.%]*:[0-9A-Za-z:.%]*)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")
_HIGHEST_ID = (1 << 32) - 2  # 2^32-1 is "no id", see setuid(2)


class Address(NamedTuple):
    """Where TCP listens: a name or an address without brackets, and a port, 0 for a free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Return whether no other machine reaches it, as far as the text says: a name is only trusted as localhost."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        """Return it as it is written: `[::1]:8080`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _path(text: str, _: Setting) -> str:
    if not os.path.isabs(text) or "\0" in text:
        raise ValueError("not an absolute path")
    return text


def _mode(text: str, _: Setting) -> int:
    if not re.fullmatch("0?[0-7]{3}", text):
        raise ValueError("not permissions in octal, such as 0660")
    return int(text, 8)


def _group(text: str, _: Setting) -> int:
    return _id(text) if text[:1].isdigit() else _named(lambda: grp.getgrnam(text).gr_gid, "no such group")


def _user(text: str, _: Setting) -> int:
    return _id(text) if text[:1].isdigit() else _named(lambda: pwd.getpwnam(text).pw_uid, "no such user")


def _id(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > _HIGHEST_ID:
        raise ValueError("not a number of a user or group")
    return int(text)


def _named(find: Callable[[], int], failure: str) -> int:
    try:
        return find()
    except (KeyError, ValueError) as error:
        raise ValueError(failure) from error


def _address(text: str, _: Setting) -> Address:
    found = _ADDRESS.fullmatch(text)
    if not found or int(found[3]) > 0xFFFF:
        raise ValueError("not HOST:PORT, such as localhost:8080 or [::1]:8080")
    return Address(found[1] or found[2], int(found[3]))


def _flag(text: str, _: Setting) -> bool:
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def _hosts(text: str, _: Setting) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not all(re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", name) for name in names):
        raise ValueError("not names or addresses with commas between them, IPv6 in brackets")
    return tuple(name.lower() for name in names)


def _origins(text: str, _: Setting) -> tuple[str, ...]:
    origins = tuple(text.split(","))
    if not all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s@?#]+", origin) for origin in origins):
        raise ValueError("not origins with commas between them, such as https://maps.example")
    return tuple(origin.lower() for origin in origins)


def _count(text: str, setting: Setting) -> int:
    if not _NUMBER.fullmatch(text) or not setting.least <= int(text) <= setting.most:
        raise ValueError(f"not a whole number from {setting.least:.0f} to {setting.most:.0f}")
    return int(text)


def _seconds(text: str, setting: Setting) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not setting.least <= float(text) <= setting.most:
        raise ValueError(f"not seconds from {setting.least:g} to {setting.most:g}")
    return float(text)


def _where(text: str, setting: Setting) -> str:
    return text if text in ("stderr", "off") else _path(text, setting)


LISTS = ("NAME,…", "ORIGIN,…")
# Each takes text that is not empty, or is the setting's own, and raises ValueError with what it is not.
READERS: Mapping[str, Callable[[str, Setting], object]] = {
    "PATH": _path, "MODE": _mode, "GROUP": _group, "USER": _user, "HOST:PORT": _address, "BOOL": _flag,
    "NAME,…": _hosts, "ORIGIN,…": _origins, "COUNT": _count, "BYTES": _count, "SECONDS": _seconds, "WHERE": _where}
# What the file may have beside a text; a mode is a text, since 0600 is no number in TOML and 600 another one.
TOML: Mapping[str, tuple[type, ...]] = {
    "BOOL": (bool,), "COUNT": (int,), "BYTES": (int,), "SECONDS": (int, float), "GROUP": (str, int),
    "USER": (str, int), **dict.fromkeys(LISTS, (list,))}
TYPES: Mapping[type, str] = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false",
                             list: "a list of texts"}
