"""Whether a file is the one that a record describes, and which record describes it."""

import hashlib

import pytest

from mapsd.model import Refused
from mapsd.model.packages import Differs, Digest, Owned, Package, Record, Same, Undecided
from mapsd.packages.difference import brought, difference

DATA = b"the file"
SHA256, MD5 = (Digest(name, hashlib.new(name, DATA).digest()) for name in ("sha256", "md5"))
OTHER = Digest("sha256", bytes(32))


def record(digest: Digest | None = None, size: int | None = None, name: str = "one") -> Record:
    return Record(Package("rpm", name, "1"), b"/a", size=size, digest=digest)


def compute(algorithm: str) -> bytes:
    return hashlib.new(algorithm, DATA).digest()


def never(algorithm: str) -> bytes:
    pytest.fail(f"{algorithm} was asked for")


@pytest.mark.parametrize(("digest", "size"), [(SHA256, None), (SHA256, 8), (MD5, 8), (
    Digest("sha256", SHA256.value[:20]), None)])
def test_a_file_with_the_digest_and_size_is_the_same(digest, size):
    assert difference(record(digest, size), len(DATA), compute) == Same(digest)


def test_a_file_of_another_size_differs_and_is_not_read():
    assert difference(record(SHA256, 9), 8, never) == Differs("size", "9", "8")


def test_a_file_with_another_digest_differs_in_as_much_as_was_recorded():
    assert difference(record(OTHER, 8), 8, compute) == Differs("sha256", "00" * 32, SHA256.value.hex())
    short = Digest("sha256", bytes(20))
    assert difference(record(short), 8, compute) == Differs("sha256", "00" * 20, SHA256.value[:20].hex())


@pytest.mark.parametrize("digest", [None, Digest("sha256", b""), Digest("sha256", SHA256.value[:4])])
def test_a_record_without_a_digest_decides_nothing(digest):
    assert difference(record(digest), 8, never) == Undecided("one has no digest and no size of the file to compare")
    assert difference(record(digest, 8), 8, never) == Undecided("one has only a size of the file to compare")


def test_a_digest_that_cannot_be_made_decides_nothing():
    assert difference(record(MD5), 8, lambda _: Refused("no MD5 here")) == Undecided("no MD5 here")


def test_a_file_was_brought_by_the_first_whose_record_describes_it():
    changed, whole, silent = record(OTHER, name="changed"), record(SHA256, name="whole"), record(name="silent")
    assert brought(Owned((changed, silent, whole)), 8, compute) == (whole, Same(SHA256))
    assert brought(Owned((changed, silent)), 8, compute)[0] == changed
    assert brought(Owned((silent, changed)), 8, compute)[0] == silent
    with pytest.raises(ValueError, match="nobody"):
        brought(Owned(()), 8, compute)
