"""A machine's mounts as a bind of its root shows them: mountinfo in, our ids and what is not the same out."""

from mapsd.linux.elsewhere.hostmounts import bound, is_root
from mapsd.parse import mountinfo

MACHINE = b"""\
25 1 254:0 / / rw - ext4 /dev/vda rw
30 25 0:21 / /proc rw - proc proc rw
31 25 0:40 / /var rw - tmpfs var rw
32 31 0:41 / /var/lib/merged rw - overlay overlay rw
33 31 0:42 /sub /var/lib/bound rw - tmpfs other rw
34 33 0:43 / /var/lib/bound rw - tmpfs over-it rw
"""
OWN = b"""\
90 80 0:50 / / rw - overlay overlay rw
91 90 0:51 / /proc rw - proc proc rw
92 90 254:0 / /host rw - ext4 /dev/vda rw
93 92 0:21 / /host/proc rw - proc proc rw
94 92 0:40 / /host/var rw - tmpfs var rw
95 94 0:41 / /host/var/lib/merged rw - overlay overlay rw
96 94 0:42 /sub /host/var/lib/bound rw - tmpfs other rw
97 96 0:43 / /host/var/lib/bound rw - tmpfs over-it rw
"""


def table(text: bytes) -> list:
    return mountinfo.parse(text)


def without(text: bytes, *ids: int) -> bytes:
    starts = tuple(b"%d " % one for one in ids)
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(starts))


def found(machine: bytes, own: bytes, top: int = 92):
    return bound(table(machine), table(own), next(mount for mount in table(own) if mount.id == top))


def test_each_mount_is_listed_under_both_ids_by_the_machines_name():
    seen = found(MACHINE, OWN)
    assert (seen.lacking, seen.extra) == (frozenset(), frozenset())
    assert [(mount.id, mount.mount_point) for mount in seen.mounts] == [
        (25, b"/"), (92, b"/"), (30, b"/proc"), (93, b"/proc"), (31, b"/var"), (94, b"/var"), (32, b"/var/lib/merged"),
        (95, b"/var/lib/merged"), (33, b"/var/lib/bound"), (96, b"/var/lib/bound"), (34, b"/var/lib/bound"),
        (97, b"/var/lib/bound")]


def test_a_mount_that_the_bind_lacks_is_another():
    assert found(MACHINE, without(OWN, 95))[1:] == ({b"/var/lib/merged"}, set())


def test_a_mount_that_the_machine_lacks_is_another():
    assert found(without(MACHINE, 32), OWN)[1:] == (set(), {b"/var/lib/merged"})


def test_what_lies_on_a_mount_that_is_lacking_is_out_of_reach_as_well():
    seen = found(MACHINE, without(OWN, 94, 95, 96, 97))
    assert seen[1:] == ({b"/var"}, set())
    assert {mount.id for mount in seen.mounts} == {25, 92, 30, 93, 31, 32, 33, 34}


def test_a_mount_that_covers_another_on_one_side_only_is_another():
    assert found(MACHINE, without(OWN, 97))[1:] == ({b"/var/lib/bound"}, set())
    assert found(without(MACHINE, 34), OWN)[1:] == (set(), {b"/var/lib/bound"})


def test_another_filesystem_or_another_directory_of_it_is_another():
    assert found(MACHINE, OWN.replace(b"95 94 0:41", b"95 94 0:60"))[1:] == ({b"/var/lib/merged"}, {b"/var/lib/merged"})
    assert found(MACHINE, OWN.replace(b"0:42 /sub", b"0:42 /other"))[1:] == ({b"/var/lib/bound"}, {b"/var/lib/bound"})


def test_a_directory_that_is_mounted_again_over_itself_is_the_same():
    twice = OWN + b"98 93 0:21 / /host/proc rw - proc proc rw\n"
    assert found(MACHINE, twice)[1:] == (set(), set())
    assert 98 in {mount.id for mount in found(MACHINE, twice).mounts}
    assert found(MACHINE, twice.replace(b"98 93 0:21 / ", b"98 93 0:21 /sys "))[1:] == (set(), {b"/proc"})
    both = MACHINE + b"35 30 0:21 / /proc rw - proc proc rw\n"
    assert found(both, twice)[1:] == (set(), set())
    assert found(both, OWN)[1:] == ({b"/proc"}, set())


def test_a_bind_of_something_else_is_not_the_root():
    assert found(MACHINE, OWN, 94) is None
    assert found(MACHINE, OWN.replace(b"92 90 254:0 / ", b"92 90 254:0 /srv ")) is None


def test_the_root_is_the_mount_that_everything_lies_on():
    assert is_root(table(MACHINE), 25)
    assert not is_root(table(MACHINE), 31)
    # Of two mounts on / the process stays on the first; a process that was chrooted into a directory lists none.
    assert is_root(table(MACHINE + b"40 25 0:60 / / rw - tmpfs over rw\n"), 25)
    assert not is_root(table(without(MACHINE, 25)), 25)
