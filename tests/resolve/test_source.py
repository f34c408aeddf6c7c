"""From where the bytes of a mapping are read, and which mappings are put together."""

import pytest

from mapsd.model import Answer, Backing, DeviceId, FileFacts, Found, Handle, Mount, Refused, Vma
from mapsd.resolve.source import FromFile, FromMemory, grouped, mapping_at, may_fault, source, steady

DISK, OVERLAY = DeviceId(254, 0), DeviceId(0, 48)
LOWER = Backing(b"/l/f", DISK, 5, b"ext4", True, "lower", 1, b"/l")
UPPER = Backing(None, DISK, 9, b"ext4", True, "upper", 0, b"/u")
UNNUMBERED = UPPER._replace(inode=None)
REFUSED = Refused("permission denied")


def vma(start: int, offset: int = 0, name: bytes = b"/f", inode: int = 7, device: DeviceId = OVERLAY) -> Vma:
    return Vma(start, start + 4096, "r--p", offset, device, inode, name)


def answer(start: int, backing: Backing | None = LOWER, proof: str = "page-frame", kind: str = "file",
           **more: object) -> Answer:
    return Answer(vma(start, **more), kind, backing=backing, proof=proof)


def facts(inode: int = 7, device: int = 48, handle: bytes = b"h") -> FileFacts:
    return FileFacts("file", DeviceId(0, device), inode, 1, 100, 1, Handle(1, handle))


class Links:
    """A process whose map_files links open what a table says."""

    def __init__(self, found: Found | dict[int, Found] = REFUSED) -> None:
        self._found = found

    def mapped(self, mapping: Vma) -> Found:
        return self._found[mapping.start] if isinstance(self._found, dict) else self._found


def together(*answers: Answer, links: Links | None = None) -> list[int]:
    return [one.vma.start for one in grouped(answers[0], answers, links or Links()).same]


@pytest.mark.parametrize("proof", ["kernel-inode", "bpf", "page-frame", "build-id", "sole-candidate"])
def test_a_proven_file_with_a_name_is_read(proof):
    assert source(answer(1, proof=proof)) == FromFile(LOWER, b"/l/f", proof)


@pytest.mark.parametrize(("found", "why"), [
    (answer(1, None, "none")._replace(reason="no page"), "the backing file is not proven: no page"),
    (answer(1, proof="lookup"), "the backing file is not proven"),
    (answer(1, UPPER), "the backing file has no name"),
    (answer(1, LOWER._replace(fs_type=b"sysfs")), "to read a file of this filesystem may act on the machine"),
    (answer(1, LOWER._replace(fs_type=b"fuse.x")), "a server gives the bytes of this filesystem, now perhaps others"),
    (answer(1, None, "none", "heap"), "a mapping of the kind heap has no backing file"),
    (answer(1, None, "none", "memfd"), "a mapping of the kind memfd has no backing file"),
])
def test_anything_else_is_read_from_memory_and_says_why(found, why):
    assert source(found) == FromMemory(why)


@pytest.mark.parametrize(("found", "may"), [
    (answer(1), True), (answer(1, LOWER._replace(fs_type=b"fuse.x")), False), (answer(1, None, "none"), False),
    (answer(1, None, "none")._replace(mount=Mount(1, 0, OVERLAY, b"/", b"/", b"overlay", b"")), True),
    (answer(1, None, "none")._replace(mount=Mount(1, 0, OVERLAY, b"/", b"/", b"nfs4", b"")), False),
    (answer(1)._replace(mount=Mount(1, 0, OVERLAY, b"/", b"/", b"fuse.fuse-overlayfs", b"")), False),
    (answer(1, None, "none", "memfd"), True), (answer(1, None, "none", "vdso"), True),
    (answer(1, None, "none", "heap"), False), (answer(1, None, "none", "device"), False)])
def test_a_page_is_faulted_in_only_where_no_server_and_no_driver_is_asked(found, may):
    assert may_fault(found, (b"fuse", b"nfs")) == may


def test_an_address_selects_the_mapping_that_holds_it():
    answers = [answer(4096), answer(8192)]
    assert [mapping_at(answers, at) for at in (4095, 4096, 8191, 8192, 12288)] == [
        None, answers[0], answers[0], answers[1], None]


def test_mappings_of_one_proven_file_are_put_together():
    assert together(answer(1), answer(2, offset=4096)) == [1, 2]


@pytest.mark.parametrize("other", [
    answer(2, UPPER), answer(2, None, "none"), answer(2, proof="lookup"), answer(2, name=b"/g"), answer(2, inode=8),
    answer(2, device=DISK), answer(2, LOWER._replace(inode=6)), answer(2, kind="device")])
def test_what_is_not_known_to_hold_the_same_file_stays_apart(other):
    assert together(answer(1), other) == [1]
    assert together(other, answer(1)) == [2]


def test_what_looks_alike_and_is_left_out_is_named():
    first, twin, other = answer(1), answer(2, UPPER), answer(3, name=b"/g")
    assert grouped(first, (first, twin, other), Links()).left_out == (twin,)


def test_an_unknown_file_is_one_mapping_also_where_all_are_unknown_alike():
    assert together(answer(1, None, "none"), answer(2, None, "none")) == [1]


def test_links_that_open_different_files_keep_mappings_apart():
    both = answer(1, LOWER._replace(fs_type=b"btrfs")), answer(2, LOWER._replace(fs_type=b"btrfs"))
    assert together(*both, links=Links({1: facts(), 2: facts()})) == [1, 2]
    for other in (facts(device=49), facts(inode=8), facts(handle=b"i")):
        assert together(*both, links=Links({1: facts(), 2: other})) == [1]


def test_where_subvolumes_number_alike_and_no_link_opens_the_device_and_inode_say_too_little():
    assert together(*(answer(at, LOWER._replace(fs_type=b"btrfs")) for at in (1, 2))) == [1]


def test_an_upper_copy_whose_number_is_not_known_is_one_file_of_one_overlay_file():
    both = answer(1, UNNUMBERED), answer(2, UNNUMBERED)
    assert together(*both, links=Links(facts())) == [1, 2]
    assert together(*both) == [1]
    lowers = tuple(one._replace(backing=LOWER._replace(inode=None)) for one in both)
    assert together(*lowers, links=Links(facts())) == [1]


def test_a_memfd_is_known_by_its_number_and_a_segment_by_its_link_too():
    memfds, segments = ([answer(at, None, "none", kind) for at in (1, 2)] for kind in ("memfd", "shm"))
    assert together(*memfds) == [1, 2]
    assert together(*segments) == [1]
    assert together(*segments, links=Links(facts())) == [1, 2]
    assert together(*memfds, links=Links({1: facts(), 2: facts(handle=b"i")})) == [1]


def test_memory_of_no_file_is_never_put_together():
    assert together(*(answer(at, None, "none", "anonymous", inode=0, name=b"") for at in (1, 2))) == [1]


def still(before: Answer, *after: Answer) -> bool:
    return steady([before.vma], before, after, before.vma.start, Links())


def test_what_is_unchanged_is_steady():
    assert still(answer(4096), answer(4096))
    assert still(answer(4096), answer(4096, None, "none")), "a page that was evicted proves nothing any more"


@pytest.mark.parametrize("after", [
    answer(8192), answer(4096, UPPER), answer(4096, offset=4096), answer(4096, inode=8), answer(4096, name=b"/g"),
    answer(4096, kind="device")])
def test_what_holds_something_else_is_not_steady(after):
    assert not still(answer(4096), after)


def test_a_mapping_may_grow_and_not_shrink():
    heap = Answer(Vma(8192, 16384, "rw-p", 0, DeviceId(0, 0), 0, b"[heap]"), "heap")
    for start, end, true in ((8192, 20480, True), (4096, 16384, True), (8192, 12288, False)):
        assert still(heap, heap._replace(vma=heap.vma._replace(start=start, end=end))) == true


def test_every_mapping_that_was_read_must_still_be_known_to_hold_the_file():
    both = [answer(4096), answer(8192, offset=4096)]
    read = [one.vma for one in both]
    assert steady(read, both[0], both, 4096, Links())
    assert not steady(read, both[0], [both[0], answer(8192, UPPER, offset=4096)], 4096, Links())
    assert not steady(read, both[0], [both[0], answer(8192, None, "none", offset=4096)], 4096, Links())
    assert not steady(read, both[0], both[:1], 4096, Links())
