"""Bearer tokens: who has one of a file may ask over TCP. See RFC 6750."""

import hmac
import os
import re
import stat
from hashlib import sha256
from typing import Self

from mapsd.errors import UsageError

_SHORTEST, _LONGEST = 16, 4096  # bytes
_MOST = 1 << 20  # bytes of the file
_VISIBLE = re.compile(rb"[!-~]+")


class Tokens:
    """The tokens that are taken. Only their digests are kept: a dump of our memory gives none away."""

    def __init__(self, tokens: tuple[bytes, ...]) -> None:
        """Take any of *tokens*."""
        self._digests = tuple(sha256(token).digest() for token in tokens)

    @classmethod
    def of_file(cls, path: str) -> Self:
        """Return the tokens of a file, one a line; with two of them clients can change from one to the other.

        The file is one that only its owner may read, and belongs to us or to root. Raises UsageError.
        """
        try:
            return cls(tuple(_lines(path)))
        except OSError as error:
            raise UsageError(f"token_file: {path}: {error.strerror}") from error
        except ValueError as error:
            raise UsageError(f"token_file: {path}: {error}") from error

    def holds(self, presented: bytes) -> bool:
        """Return whether this is one of the tokens, in a time that does not say how much of it is right."""
        digest = sha256(presented).digest()
        return sum(hmac.compare_digest(digest, own) for own in self._digests) > 0


def _lines(path: str) -> list[bytes]:
    tokens = [line for line in _content(path).split(b"\n") if line]
    if not tokens:
        raise ValueError("there is no token in it")
    for number, token in enumerate(tokens, 1):
        if not _VISIBLE.fullmatch(token):
            raise ValueError(f"token {number} has bytes that are no visible ASCII characters")
        if not _SHORTEST <= len(token) <= _LONGEST:
            raise ValueError(f"token {number} has {len(token)} characters, not {_SHORTEST} to {_LONGEST}")
    return tokens


def _content(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _examine(os.fstat(fd))
        with open(fd, "rb", closefd=False) as file:
            return file.read(_MOST)
    finally:
        os.close(fd)


def _examine(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no regular file")
    if found.st_uid not in (0, os.geteuid()):
        raise ValueError("it belongs to another user")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError("others than its owner may use it: chmod 0600")
    if found.st_size > _MOST:
        raise ValueError("it is too long")
