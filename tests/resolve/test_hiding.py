"""What a name is to a file of a layer, over layers made of dictionaries: one row a rule."""

import pytest

from mapsd.model import Backing, DeviceId, FileFacts, Handle, Mount
from mapsd.model.layers import Descent, Winner
from mapsd.resolve.descent import descend
from mapsd.resolve.hiding import Sought, Verdict, verdict
from tests.resolve.fakes import FakeLayers, directory, entry, file, metacopy, refused, whiteout

OVERLAY = Mount(20, 1, DeviceId(0, 50), b"/", b"/m", b"overlay", b"")
ORIGIN = b"\0\xfb\x16\0\x01" + bytes(16) + b"h"


def backing(facts: FileFacts) -> Backing:
    return Backing(None, DeviceId(0, 40), facts.inode, b"ext4", True)


def judged(layers: FakeLayers, name: str, layer: int, below: str, **how: bool) -> Verdict | None:
    """Return what a name is to a file of a layer where the overlay opens what the layers say."""
    met = descend(layers.layers, name.encode(), layers.ask, **how)
    held = layers.ask(next(one for one in layers.layers if one.position == layer), below.encode())
    assert isinstance(held, FileFacts)
    opens = [one.found for one in met if one.what == "opens"]
    winner = None
    if opens and isinstance(opens[0], FileFacts):
        winner = Winner(backing(opens[0]), "lookup")
    marks = frozenset([(OVERLAY.device, layer, below.encode())])
    return verdict(Sought(held, backing(held), marks), (Descent(OVERLAY, name.encode(), True, met),), winner,
                   opens_nothing=winner is None)


RULES = {  # what is so: (lowers, upper, name, layer, path in it, what the name is to it, by what)
    "the file that wins is visible": ([{"f": file()}], {}, "f", 1, "f", "visible", None),
    "the upper copy hides the lower file": ([{"f": file()}], {"f": file()}, "f", 1, "f", "hidden", "file"),
    "a lower file hides one below it": ([{"f": file()}, {"f": file()}], {}, "f", 2, "f", "hidden", "file"),
    "a directory hides a file": ([{"f": directory()}, {"f": file()}], {}, "f", 2, "f", "hidden", "directory"),
    "a whiteout hides": ([{"f": file()}], {"f": whiteout()}, "f", 1, "f", "hidden", "whiteout"),
    "an empty marked file hides": ([{"f": file()}], {"f": file(0, whiteout=b"")}, "f", 1, "f", "hidden", "whiteout"),
    "an opaque directory hides": ([{"d/f": file()}], {"d": directory(opaque=b"y")}, "d/f", 1, "d/f", "hidden",
                                  "opaque"),
    "a file on the way hides": ([{"d/f": file()}], {"d": file()}, "d/f", 1, "d/f", "hidden", "blocked"),
    "a link on the way hides": ([{"d/f": file()}], {"d": entry("symlink")}, "d/f", 1, "d/f", "hidden", "blocked"),
    "a redirect leads past a name": ([{"d/f": file()}], {"d": directory(redirect=b"e")}, "d/f", 1, "d/f", None, None),
    "a redirect leads to another name": ([{"e/f": file()}], {"d": directory(redirect=b"e")}, "d/f", 1, "e/f",
                                         "visible", None),
    "data below a metacopy is visible": ([{"f": file()}], {"f": metacopy()}, "f", 1, "f", "visible", None),
    "a metacopy shows its metadata": ([{"f": file()}], {"f": metacopy()}, "f", 0, "f", "metadata", None),
    "a whiteout is never shown itself": ([{"f": file(0, whiteout=b"")}], {}, "f", 1, "f", "hidden", None),
    "a layer that cannot be asked leaves it open": ([{"f": refused()}, {"f": file()}], {}, "f", 2, "f", "unknown",
                                                    None),
    "another name is nothing to it": ([{"f": file(), "g": file()}], {}, "g", 1, "f", None, None),
}


@pytest.mark.parametrize("rule", RULES)
def test_of_a_name(rule):
    lowers, upper, name, layer, below, what, by = RULES[rule]
    found = judged(FakeLayers(lowers, upper), name, layer, below)
    assert (found and found.what, found and found.by and found.by.what) == (what, by)


@pytest.mark.parametrize(("handle", "by"), [(Handle(1, b"h"), "copied-up"), (Handle(1, b"i"), "file"), (None, "file")])
def test_the_copy_of_a_file_is_told_from_another_one(handle, by):
    held = file()._replace(handle=handle)
    found = judged(FakeLayers([{"f": held}], {"f": file(origin=ORIGIN)}), "f", 1, "f")
    assert found is not None
    assert found.by is not None
    assert found.by.what == by


def test_without_the_attributes_a_file_below_a_directory_is_not_called_hidden():
    layers = FakeLayers([{"d/f": file()}, {"d/f": file()}], {"d": directory()})
    found = judged(layers, "d/f", 2, "d/f", visible=False)
    assert found is not None
    assert (found.what, found.needs) == ("unknown", ("CAP_SYS_ADMIN",))


def test_a_name_of_which_it_is_not_known_what_it_opens_is_unknown():
    held = file()
    layers = FakeLayers([{"f": held}], {})
    met = descend(layers.layers, b"f", layers.ask)
    for marks in (frozenset([(OVERLAY.device, 1, b"f")]), frozenset([(OVERLAY.device, 1, b"elsewhere")])):
        found = verdict(Sought(held, backing(held), marks), (Descent(OVERLAY, b"f", True, met),),
                        Winner(None, "none", (), "why", ("CAP_SYS_ADMIN",)))
        assert found == Verdict("unknown", None, "why", ("CAP_SYS_ADMIN",))


def test_equal_numbers_of_subvolumes_are_not_one_file():
    held = file()
    one = backing(held)._replace(fs_type=b"btrfs", path=b"/a")
    other = one._replace(path=b"/b")
    none = Descent(OVERLAY, b"f", True, ())
    assert verdict(Sought(held, one, frozenset()), (none,), Winner(other, "lookup")) is None
    assert verdict(Sought(held, one, frozenset()), (none,), Winner(one, "lookup")) == Verdict("visible")
