"""The text of cgroup, and the container that it hints at."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsd.errors import ParseError
from mapsd.parse.cgroup import Group, Hint, hint, parse

ID, OTHER = "a1" * 32, "b2" * 32
NAMED = [
    (f"0::/system.slice/docker-{ID}.scope", Hint("docker", ID)),
    (f"4:memory:/docker/{ID}", Hint(None, ID)),
    (f"0::/machine.slice/libpod-{ID}.scope/container", Hint("podman", ID)),
    (f"9:name=systemd:/libpod_parent/libpod-{ID}", Hint("podman", ID)),
    (f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{ID}.scope",
     Hint("containerd", ID)),
    (f"3:cpuset:/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:{ID}",
     Hint("containerd", ID)),
    (f"0::/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope/container", Hint("cri-o", ID)),
    (f"2:cpu:/kubepods/burstable/pod6f1e/{ID}", Hint(None, ID)),
    (f"0::/docker/{OTHER}/docker/{ID}", Hint(None, ID)),  # a container in a container
    ("0::/lxc.payload.web/system.slice", Hint("lxc", "web")),
]
UNNAMED = ["0::/", "0::/user.slice/user-1000.slice/session-1.scope", "0::/lab/c1", f"0::/crio-conmon-{ID}.scope",
           f"0::/x/{ID[:63]}", f"0::/x/{ID.upper()}", "0::/lxc.payload.", "1:cpu:/payload"]


@pytest.mark.parametrize(("line", "wanted"), NAMED, ids=[line[:30] for line, _ in NAMED])
def test_a_group_names_a_container(line, wanted):
    assert hint(parse(line.encode() + b"\n")) == wanted


@pytest.mark.parametrize("line", UNNAMED)
def test_other_groups_name_none(line):
    assert hint(parse(line.encode())) is None


def test_a_hybrid_whose_unified_line_is_bare_names_what_the_others_name():
    text = f"9:name=systemd:/\n4:memory:/libpod_parent/libpod-{ID}\n1:cpu:/docker/{ID}\n0::/\n"
    assert hint(parse(text.encode())) == Hint("podman", ID)


def test_lines_that_disagree_name_none():
    assert hint(parse(f"4:memory:/docker/{ID}\n0::/docker/{OTHER}\n".encode())) is None


def test_a_line_is_its_three_parts():
    assert parse(b"9:cpu,cpuacct:/a:b\n0::/\n") == [Group(9, b"cpu,cpuacct", b"/a:b"), Group(0, b"", b"/")]


@pytest.mark.parametrize("text", [b"x", b"1:2", b"a:b:/c", b"1:cpu:no", b"-1::/", b"12345678901::/"])
def test_a_form_that_nobody_knows_is_refused(text):
    with pytest.raises(ParseError):
        parse(text)


@given(st.lists(st.tuples(st.integers(0, 999), st.binary(max_size=9), st.binary(max_size=40))))
def test_any_path_is_read_as_it_stands(lines):
    groups = [Group(number, name.translate(None, b":\n"), b"/" + path.translate(None, b"\n"))
              for number, name, path in lines]
    text = b"".join(b"%d:%s:%s\n" % group for group in groups)
    assert parse(text) == groups
    hint(groups)


@given(st.binary())
def test_any_bytes_are_read_or_refused(text):
    with suppress(ParseError):
        hint(parse(text))
