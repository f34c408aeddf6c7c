"""Digests of files that anybody may have made: bounded, and of a file that was not written to meanwhile."""

import hashlib

from mapsd.linux.backingfile import BackingFile
from mapsd.model import Refused

LARGEST = 1 << 30  # bytes
_ALGORITHMS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512"})


def digest(file: BackingFile, algorithm: str) -> bytes | Refused:
    """Return the digest of a file's bytes by an algorithm that hashlib names."""
    before = file.content()
    if before.size > LARGEST:
        return Refused(f"the file is larger than {LARGEST:,} bytes")
    if algorithm not in _ALGORITHMS:
        return Refused("the digest that is recorded is of a kind that is not made here")
    found, read = hashlib.new(algorithm, usedforsecurity=False), 0
    try:
        for data in file.chunks(before.size):
            found.update(data)
            read += len(data)
    except OSError as error:
        return Refused(f"the file cannot be read: {error.strerror}")
    if read != before.size or file.content() != before:
        return Refused("the file was written to while it was read")
    return found.digest()
