"""Which file of tokens is read, and which tokens are taken."""

import os

import pytest

from mapsd.errors import UsageError
from mapsd_api.asker.tokens import Tokens

ONE, OTHER = b"0123456789abcdef", b"fedcba9876543210-._~+/="


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tokens"

    def written(content: bytes, mode: int = 0o600) -> str:
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)
    return written


def refused(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        Tokens.of_file(path)
    start = f"token_file: {path}: "
    assert str(caught.value).startswith(start)
    return str(caught.value).removeprefix(start)


def test_a_token_of_the_file_is_taken_and_no_other_one(file):
    tokens = Tokens.of_file(file(ONE + b"\n"))
    assert tokens.holds(ONE)
    for other in (b"", ONE[:-1], ONE + b"x", ONE.upper(), ONE + b"\n", OTHER):
        assert not tokens.holds(other)


def test_each_token_of_several_is_taken(file):
    tokens = Tokens.of_file(file(ONE + b"\n\n" + OTHER))
    assert tokens.holds(ONE)
    assert tokens.holds(OTHER)
    assert not tokens.holds(ONE + b"\n" + OTHER)
    assert not tokens.holds(b"")


def test_no_token_is_kept_as_it_is(file):
    assert ONE not in repr(vars(Tokens.of_file(file(ONE)))).encode()


@pytest.mark.parametrize(("content", "why"), [
    (b"", "there is no token in it"), (b"\n\n", "there is no token in it"),
    (ONE[:-1], "token 1 has 15 characters, not 16 to 4096"),
    (ONE + b"\n" + b"x" * 4097, "token 2 has 4097 characters, not 16 to 4096"),
    (ONE + b" ", "token 1 has bytes that are no visible ASCII characters"),
    (ONE + b"\r\n", "token 1 has bytes that are no visible ASCII characters"),
    (ONE + b"\xc3\xa9", "token 1 has bytes that are no visible ASCII characters"),
    (ONE + b"\0", "token 1 has bytes that are no visible ASCII characters"),
    (b"x" * (1 << 20) + b"\n", "it is too long"),
])
def test_what_is_no_token_is_refused_without_being_shown(file, content, why):
    assert refused(file(content)) == why


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
def test_a_file_that_others_may_use_is_refused(file, mode):
    assert refused(file(ONE, mode)) == "others than its owner may use it: chmod 0600"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_for_its_owner_alone_is_read(file, mode):
    assert Tokens.of_file(file(ONE, mode)).holds(ONE)


def test_what_is_no_regular_file_is_refused_at_once(file, tmp_path):
    (tmp_path / "link").symlink_to(file(ONE))
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert refused(str(tmp_path / "link")) == "Too many levels of symbolic links"
    assert refused(str(tmp_path / "fifo")) == "it is no regular file"
    assert refused(str(tmp_path)) == "it is no regular file"
    assert refused(str(tmp_path / "none")) == "No such file or directory"


@pytest.mark.usefixtures("root")
def test_a_file_of_another_user_is_refused_also_by_root(file):
    path = file(ONE)
    os.chown(path, 65534, 65534)
    assert refused(path) == "it belongs to another user"
