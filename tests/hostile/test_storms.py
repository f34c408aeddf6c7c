"""Lookups while mappings, mounts and names change all the time: only what was true at some moment may be said."""

import ctypes
import os
import signal

import pytest

from tests.hostile.conftest import storm
from tests.hostile.scenes import forked, identity, mapped, overlay
from tests.overlay import kernel
from tests.overlay.target import Target
from tests.schema import answered

LOOKUPS = 60
RENAME_EXCHANGE, MAP_SHARED, MAP_FIXED = 2, 1, 16


def exchange(one, other) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE) == 0


def test_mappings_that_come_and_go_are_right_or_unsteady(base):
    merged = overlay(base)
    paths = [merged / name for name in ("one", "two", "fresh")]
    backing = {str(merged / "one"): "lower/one", str(merged / "two"): "lower/two", str(merged / "fresh"): "upper/fresh"}

    def step() -> None:
        held = [mapped(path) for path in paths]
        del held[::2], held

    seen = 0
    with storm(step) as pid:
        for _ in range(LOOKUPS):
            for mapping in answered(pid)["mappings"]:
                shown = mapping["shown"]["path"]
                if shown not in backing:
                    continue
                seen += 1
                assert mapping["state"] in {"current", "unknown"}, mapping
                assert mapping["user_path"] in {shown, None}, mapping
                if mapping["backing"] is not None:
                    assert mapping["backing"]["path"] == str(base / backing[shown]), mapping
                elif mapping["state"] == "unknown":
                    assert mapping["reason"]
    assert seen


@pytest.mark.parametrize("names", [("one", "two"), ("one", "fresh"), ("fresh", "other")])
def test_an_address_that_changes_hands_is_one_file_at_a_time(base, names):
    merged = overlay(base)
    backing = {str(merged / name): str(base / ("lower" if name in {"one", "two"} else "upper") / name)
               for name in names}
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    address, files = 0x700000000000, [os.open(path, os.O_RDONLY) for path in backing]

    def step() -> None:
        for file in files:
            at = libc.mmap(ctypes.c_void_p(address), ctypes.c_size_t(4096), 1, MAP_SHARED | MAP_FIXED, file,
                           ctypes.c_long(0))
            assert ctypes.string_at(at, 1)

    with storm(step) as pid:
        for _ in range(LOOKUPS):
            found = next(m for m in answered(pid)["mappings"] if int(m["start"], 16) == address)
            shown = found["shown"]["path"]
            assert found["state"] in {"current", "unknown"}, found
            assert found["user_path"] in {shown, None}, found
            if found["backing"] is not None:
                assert found["backing"]["path"] in {backing[shown], None}, found
                assert found["backing"]["inode"] == os.stat(backing[shown]).st_ino, found
    for file in files:
        os.close(file)


@pytest.mark.parametrize("where", ["the file", "a parent", "a parent's parent", "elsewhere"])
def test_mounts_that_come_and_go_leave_the_backing_right(base, mapper, where):
    merged = overlay(base)
    path = merged / "dir" / "deep"
    over = {"the file": path, "a parent": merged / "dir", "a parent's parent": merged, "elsewhere": base / "elsewhere"}
    from_ = {"the file": base / "lower" / "two", "a parent": base / "elsewhere", "a parent's parent": base / "lower",
             "elsewhere": base / "lower"}

    def step() -> None:
        kernel.mount(from_[where], over[where], None, kernel.MS_BIND)
        kernel.umount(over[where], kernel.MNT_DETACH)

    states = {"current", "unknown"} | ({"covered"} if where != "elsewhere" else set())
    with Target(mapper) as target:
        address = target.map(path)
        with storm(step):
            for _ in range(LOOKUPS):
                found = next(m for m in answered(target.pid)["mappings"]
                             if int(m["start"], 16) == address)
                assert found["state"] in states, found
                assert found["user_path"] in {str(path), None}, found
                if found["backing"] is not None:
                    assert found["backing"]["path"] in {str(base / "lower/dir/deep"), None}, found
                    assert found["backing"]["inode"] == os.stat(base / "lower/dir/deep").st_ino, found


@pytest.mark.parametrize("kind", ["overlay", "tmpfs"])
@pytest.mark.parametrize("how", ["renamed", "exchanged", "moved with its directory"])
def test_a_file_that_is_renamed_all_the_time_has_one_of_its_names(base, mapper, kind, how):
    merged = overlay(base) if kind == "overlay" else base
    (merged / "here").mkdir()
    path, other = merged / "here" / "name", merged / "here" / "other"
    path.write_bytes(b"a".ljust(4096))
    names = {path, other}
    if how == "exchanged":
        other.write_bytes(b"b".ljust(4096))
    elif how != "renamed":
        names = {path, merged / "there" / "name"}

    def step() -> None:
        if how == "exchanged":
            exchange(path, other)
        elif how == "renamed":
            path.rename(other)
            other.rename(path)
        else:
            (merged / "here").rename(merged / "there")
            (merged / "there").rename(merged / "here")

    with Target(mapper) as target:
        address = target.map(path)
        inode, device = identity(base / "upper/here/name" if kind == "overlay" else path)
        with storm(step):
            for _ in range(LOOKUPS):
                found = next(m for m in answered(target.pid)["mappings"]
                             if int(m["start"], 16) == address)
                # With an exchange another file has the old name at any moment, but the mapped one is never gone.
                assert found["state"] in {"current", "unknown"}, found
                assert found["user_path"] in {*map(str, names), None}, found
                if found["backing"] is not None:
                    assert (found["backing"]["inode"], found["backing"]["device"]) == (inode, device), found


def test_a_file_that_is_unlinked_and_made_anew_all_the_time_is_deleted_or_replaced(base, mapper):
    merged = overlay(base)
    path = merged / "one"

    with Target(mapper) as target:
        address = target.map(path)

        def step() -> None:
            path.unlink(missing_ok=True)
            path.write_bytes(b"new".ljust(4096))

        with storm(step):
            for _ in range(LOOKUPS):
                found = next(m for m in answered(target.pid)["mappings"]
                             if int(m["start"], 16) == address)
                assert found["state"] in {"deleted", "replaced", "unknown"}, found
                assert found["user_path"] in {str(path), None}, found
                if found["backing"] is not None:
                    assert found["backing"]["path"] == str(base / "lower/one"), found


def test_copy_ups_meanwhile_never_turn_the_old_mapping_into_the_new_file(base, mapper):
    merged = overlay(base)
    for number in range(40):
        (base / f"lower/file{number}").write_bytes(b"%d" % number + b"." * 4096)
    with Target(mapper) as target:
        addresses = [target.map(merged / f"file{number}") for number in range(40)]

        def copy_up() -> None:
            for number in range(40):
                os.close(os.open(merged / f"file{number}", os.O_RDWR))
                for _ in range(2000):
                    os.getppid()

        writer = forked(copy_up)
        try:
            while os.waitpid(writer, os.WNOHANG) == (0, 0):
                answers = {int(m["start"], 16): m for m in answered(target.pid)["mappings"]}
                for number, address in enumerate(addresses):
                    found = answers[address]
                    assert found["state"] in {"current", "copied-up", "unknown"}, found
                    if found["backing"] is not None:
                        assert found["backing"]["path"] == str(base / f"lower/file{number}"), found
        except BaseException:
            os.kill(writer, signal.SIGKILL)
            os.waitpid(writer, 0)
            raise
        assert {m["state"] for m in answered(target.pid)["mappings"]
                if int(m["start"], 16) in addresses} <= {"copied-up", "unknown"}
