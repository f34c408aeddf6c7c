"""Who may see everything."""

import os
import pwd

import pytest

from mapsd.errors import UsageError
from mapsd.linux.rights.authority import Peer
from mapsd_api.asker.identity import NOBODY, Identity, of_peer, of_token

GROUP = 600


@pytest.mark.parametrize(("peer", "everything"), [
    (Peer(0, 0, ()), True), (Peer(0, 5, (7,)), True), (Peer(1000, GROUP, ()), True),
    (Peer(1000, 1000, (4, GROUP)), True), (Peer(1000, 1000, (4,)), False), (Peer(1000, 0, (0,)), False),
    (Peer(GROUP, 1000, ()), False),
    (Peer(0, 0, (GROUP,), foreign=True), False), (Peer(1000, GROUP, (GROUP,), foreign=True), False)])
def test_root_and_the_members_of_the_group_see_everything_unless_they_are_strangers(peer, everything):
    assert of_peer(peer, GROUP) == Identity(peer, everything, "unix")


def test_without_a_group_only_root_sees_everything():
    assert not of_peer(Peer(1000, GROUP, (GROUP,)), None).everything
    assert of_peer(Peer(0, 0, ()), None).everything
    assert of_peer(Peer(1000, 1000, (0,)), 0).everything


def test_a_token_has_the_groups_that_the_database_gives_its_user():
    for user in pwd.getpwall()[:20]:
        groups = tuple(os.getgrouplist(user.pw_name, user.pw_gid))
        first = pwd.getpwuid(user.pw_uid)
        if first != user:
            continue
        peer = Peer(user.pw_uid, user.pw_gid, groups)
        assert of_token(user.pw_uid, None) == Identity(peer, user.pw_uid == 0, "tcp")
        assert of_token(user.pw_uid, groups[0]).everything


def test_a_token_of_nobody_that_the_database_knows_is_refused():
    known = {user.pw_uid for user in pwd.getpwall()}
    unknown = next(uid for uid in range(40000, 50000) if uid not in known)
    for uid in (unknown, 2**32 - 1):
        with pytest.raises(UsageError, match=f"token_user: there is no user {uid}"):
            of_token(uid, None)


def test_somebody_without_a_token_sees_nothing():
    assert (NOBODY.everything, NOBODY.peer.foreign) == (False, True)
