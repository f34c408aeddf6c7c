"""Who asks, and whether that is somebody who may see every process."""

import os
import pwd
from typing import NamedTuple

from mapsd.errors import UsageError
from mapsd.linux.rights.authority import Peer
from mapsd_api.listening.listener import Kind


class Identity(NamedTuple):
    """Who asks: a peer of the kernel's, whether it may see everything, and by which kind of socket it came."""

    peer: Peer
    everything: bool
    via: Kind


NOBODY = Identity(Peer(65534, 65534, (), foreign=True), everything=False, via="tcp")


def of_peer(peer: Peer, group: int | None, via: Kind = "unix") -> Identity:
    """Return who a peer is: uid 0 and the members of *group* see everything, unless their namespaces are not ours."""
    member = group is not None and group in (peer.gid, *peer.groups)
    return Identity(peer, not peer.foreign and (peer.uid == 0 or member), via)


def of_token(uid: int, group: int | None) -> Identity:
    """Return who has a token: a user of the database with its groups, see getgrouplist(3).

    Raises UsageError where the database does not know it, or cannot say what groups it has.
    """
    try:
        user = pwd.getpwuid(uid)
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
    except (KeyError, OSError) as error:
        raise UsageError(f"token_user: there is no user {uid}") from error
    return of_peer(Peer(uid, user.pw_gid, tuple(groups)), group, "tcp")
