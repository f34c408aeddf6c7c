"""Random histories on real overlays against the shadow: no answer may be wrong, whatever is asked."""

import os
import shutil
from collections import Counter
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.overlay import kernel, layered
from tests.overlay.capabilities import LACKING, asked_lacking
from tests.overlay.conftest import asked
from tests.overlay.files import pass_tick
from tests.overlay.model import Data, Mapping, Shadow, identity
from tests.overlay.target import PAGE, Target

HISTORIES = int(os.environ.get("MAPSD_HISTORIES", "220"))
STEPS, MAPPINGS = 40, 8
# name: (filesystem of the lowers, of the upper, options)
KINDS = {
    "tmpfs": ("tmpfs", "tmpfs", ""),
    "ext4": ("ext4", "ext4", ",redirect_dir=on"),
    "mixed": ("ext4", "tmpfs", ",redirect_dir=on"),
    "mixed-xino": ("ext4", "tmpfs", ",redirect_dir=on,xino=on"),
    "metacopy": ("ext4", "ext4", ",redirect_dir=on,metacopy=on"),
    "data-only": ("ext4", "ext4", ",redirect_dir=on,metacopy=on"),
    "index": ("ext4", "ext4", ",redirect_dir=on,index=on"),
    "nfs-export": ("ext4", "ext4", ",redirect_dir=on,nfs_export=on"),
    "userxattr": ("tmpfs", "tmpfs", ",userxattr"),
}
NAMES = ["a", "b", "c (deleted)", "d\ne", "f\\012g", "hé"]
METACOPY = {"metacopy", "data-only"}
picks = st.integers(0, 10_000)
modes = st.sampled_from("sspn" + "d")
serial = count()
seen: Counter[str] = Counter()


class Histories(RuleBasedStateMachine):
    """One overlay and one process; every rule does a thing for real and in the shadow."""

    lab: Path
    mapper: Path
    grounds: dict[str, tuple[Path, Path]]

    @initialize(kind=st.sampled_from(sorted(KINDS)), ending=st.sampled_from(["", "detach", "chroot"]))
    def start(self, kind, ending):
        self.kind, self.ending, self.shadow, self.mappings = kind, ending, Shadow(), []
        self.stack = ExitStack()
        lowers, uppers = self.grounds[kind]
        number = next(serial)
        self.lower, self.upper = lowers / str(number), uppers / f"{number}u"
        self.merged = self.lab / f"merged{number}"
        for made in (self.lower, self.upper, self.merged):
            self.stack.callback(shutil.rmtree, made, ignore_errors=True)
        layers = [self.lower / number for number in "123"]
        for path in (*layers, self.upper / "u", self.upper / "w", self.merged):
            path.mkdir(parents=True)
        lots = (1, "", NAMES[:2]), (2, "", NAMES[2:]), (1, "x", NAMES[:3]), (2, "y", NAMES[3:])
        for index, directory, names in lots:
            self.lay(index, directory, names)
        pass_tick(self.lower)
        below = f"{self.lower}/1:{self.lower}/2" + (f"::{self.lower}/3" if kind == "data-only" else "")
        data = f"lowerdir={below},upperdir={self.upper}/u,workdir={self.upper}/w{KINDS[kind][2]}"
        kernel.mount("overlay", self.merged, "overlay", 0, data)
        self.stack.callback(kernel.umount, self.merged, kernel.MNT_DETACH)
        self.target = self.stack.enter_context(Target(self.mapper))
        for number in range(MAPPINGS):
            self.map(number * 3, "s" if number else "n", number % 2)

    def lay(self, index, directory, names):
        parent = self.shadow.root
        if directory:
            (self.lower / str(index) / directory).mkdir()
            parent = self.shadow.add(parent, directory)
        for name in names:
            path = self.lower / str(index) / directory / name
            self.shadow.add(parent, name, self.lay_file(index, path))

    def lay_file(self, index, path):
        """Write a lower file; of a data-only overlay its bytes go to the data layer."""
        held = path if self.kind != "data-only" else self.lower / "3" / str(next(serial))
        held.write_bytes(self.bytes())
        if held is path:
            return Data(index, identity(path))
        with path.open("wb") as file:
            file.truncate(2 * PAGE)
        os.setxattr(path, "trusted.overlay.metacopy", b"")
        os.setxattr(path, "trusted.overlay.redirect", f"/{held.name}".encode())
        return Data(3, identity(held), role="data")

    def bytes(self):
        return b"".join((b"%d page %d" % (next(serial), page)).ljust(PAGE, b".") for page in range(2))

    def pick(self, number, want):
        found = [node for node in self.shadow.root.walk() if want(node) and not node.covered()]
        return found[number % len(found)] if found else None

    def file(self, number):
        return self.pick(number, lambda node: node.file is not None)

    def directory(self, number):
        return self.pick(number, lambda node: node.file is None)

    def real(self, node):
        return Path(f"{self.merged}{node.path()}")

    def copied_up(self, node, *, data=True):
        """Note in the shadow that the upper holds the file, with its data unless only metadata went up."""
        if node.file.data.index and (data or self.kind not in METACOPY):
            node.file.data = Data(0)

    def upper_of(self, node):
        return Path(f"{self.upper}/u{node.path()}")

    @rule(number=picks, mode=modes, page=st.integers(0, 1))
    def map(self, number, mode, page):
        node = self.file(number)
        if node is None:
            return
        data = node.file.data
        address = self.target.map(self.real(node), mode, page)
        if not data.index and data.device_inode is None:
            data.device_inode = identity(self.upper_of(node))
        self.mappings.append(Mapping(address, node, data, mode, page))

    @rule(number=picks)
    def write(self, number):
        node = self.file(number)
        if node is not None:
            with self.real(node).open("r+b") as file:
                file.write(self.bytes())
            self.copied_up(node)

    @rule(number=picks)
    def chmod(self, number):
        node = self.file(number)
        if node is not None:
            self.real(node).chmod(0o600)
            self.copied_up(node, data=False)

    @rule(number=picks, name=st.sampled_from(NAMES))
    def create(self, number, name):
        parent = self.directory(number)
        if parent is not None and name not in parent.children:
            path = Path(f"{self.real(parent)}/{name}")
            path.write_bytes(self.bytes())
            self.shadow.add(parent, name, Data(0))

    @rule(number=picks)
    def unlink(self, number):
        node = self.file(number)
        if node is not None:
            self.real(node).unlink()
            self.shadow.remove(node)

    @rule(number=picks, where=picks, name=st.sampled_from(NAMES))
    def rename(self, number, where, name):
        node, parent = self.file(number), self.directory(where)
        if node is None or parent is None:
            return
        over = parent.children.get(name)
        if over is node or (over is not None and (over.file is None or over.covered() or over.file is node.file)):
            return
        self.real(node).rename(f"{self.real(parent)}/{name}")
        self.copied_up(node, data=False)
        self.shadow.move(node, parent, name)

    @precondition(lambda self: self.kind not in METACOPY)
    @rule(number=picks, where=picks, name=st.sampled_from(NAMES))
    def link(self, number, where, name):
        node, parent = self.file(number), self.directory(where)
        if node is None or parent is None or name in parent.children:
            return
        os.link(self.real(node), f"{self.real(parent)}/{name}")
        self.copied_up(node)
        self.shadow.add(parent, name, node.file.data).file = node.file

    @rule(number=picks, where=picks)
    def rename_directory(self, number, where):
        node = self.pick(number, lambda node: node.file is None and node.parent is not None)
        if node is None:
            return
        name = f"dir{where % 3}"
        try:
            self.real(node).rename(f"{self.merged}/{name}")
        except OSError:
            return
        if self.shadow.root.children.get(name) is not node:
            self.shadow.move(node, self.shadow.root, name)

    @rule(number=picks)
    def make_directory(self, number):
        name = f"dir{number % 3}"
        if name not in self.shadow.root.children:
            Path(f"{self.merged}/{name}").mkdir()
            self.shadow.add(self.shadow.root, name)

    @rule(number=picks)
    def remove_directory(self, number):
        node = self.pick(number, lambda node: node.file is None and node.parent is not None and not node.children)
        if node is not None:
            self.real(node).rmdir()
            self.shadow.remove(node)

    @rule(number=picks, other=picks)
    def cover(self, number, other):
        node, source = self.file(number), self.file(other)
        if node is not None and source is not None and node.file is not source.file:
            kernel.mount(self.real(source), self.real(node), None, kernel.MS_BIND)
            node.cover = True

    @rule(number=picks)
    def uncover(self, number):
        covers = [node for node in self.shadow.root.walk() if node.cover]
        if covers:
            node = covers[number % len(covers)]
            kernel.umount(self.real(node), kernel.MNT_DETACH)
            node.cover = False

    @rule()
    def ask(self):
        self.check(self.shadow.state)

    def check(self, state, root=""):
        answers = asked(self.target.pid)
        held = {mapping.address for mapping in self.mappings}
        seen.update(f"proof {answer['proof']}" for address, answer in answers.items()
                    if answer["kind"] == "file" and address not in held)
        for mapping in self.mappings:
            self.check_one(mapping, answers[mapping.address], state(mapping), root, whole=True)

    def check_lacking(self, state, root=""):
        """Put the same questions without capabilities: more is unknown, nothing is wrong."""
        lacking = [asked_lacking(self.target.pid, numbers) for numbers in LACKING.values()]
        lacking += [layered.asked_on(self.target.pid, form, self.lower, self.upper)
                    for form in layered.forms(str(self.lower))]
        for answers in (*lacking, asked(self.target.pid, "lookup"), asked(self.target.pid, "page-frame")):
            for mapping in self.mappings:
                self.check_one(mapping, answers[mapping.address], state(mapping), root, whole=False)

    def check_one(self, mapping, found, state, root, *, whole):
        about = "\n".join(map(str, (self.kind, mapping.node.path(), mapping.data, mapping.mode, state, found)))
        seen[found["state"]] += 1
        seen[f"proof {found['proof']}"] += 1
        path = os.path.normpath(f"{self.merged}{mapping.node.path()}").removeprefix(root)
        if state in {"detached", "unreachable"}:
            path = None
        # A link of the copy may have taken the name: what was copied up is then at its name again.
        again = {"copied-up"} if not whole and self.is_retaken(mapping.node) else set()
        assert found["state"] in {state, "unknown"} | again, about
        if found["user_path"] is not None:
            shown = found["user_path"].encode().decode("unicode_escape").encode("latin-1").decode() \
                if "user_path_base64" in found else found["user_path"]
            assert shown == path, about
        self.check_backing(mapping, found, about, whole)

    def is_retaken(self, dead):
        taken = [node for node in self.shadow.root.walk() if node.path() == dead.path()]
        return dead.dead and any(node.file is dead.file for node in taken)

    def check_backing(self, mapping, found, about, whole):
        backing = found["backing"]
        if backing is None:
            assert found["reason"], about
            assert not whole, about
            return
        # A dead name that another link of the file took: the contract calls it both replaced and current.
        retaken = mapping.node.dead and "another link" in (found["reason"] or "")
        assert found["state"] != "unknown" or not whole or retaken, about
        layer = backing["layer"]
        assert layer["role"] == mapping.data.role or (layer["role"] is None and not whole), about
        assert layer["index"] == mapping.data.index or (layer["index"] is None and not whole), about
        assert backing["inode"] is not None or not whole, about
        device, inode = mapping.data.device_inode
        if backing["inode"] is not None:
            assert (backing["inode"], backing["device"]) == (inode, f"{os.major(device)}:{os.minor(device)}"), about
        if backing["path"] is not None and "path_base64" not in backing:
            assert identity(Path(backing["path"])) == (device, inode), about
            held = self.target.memory(mapping.address)
            assert Path(backing["path"]).read_bytes()[mapping.page * PAGE:][:PAGE] == held or mapping.mode == "d", about

    def teardown(self):
        if not hasattr(self, "target"):
            return
        with self.stack:
            self.check(self.shadow.state)
            self.check_lacking(self.shadow.state)
            if self.ending == "detach":
                kernel.umount(self.merged, kernel.MNT_DETACH)
                self.stack.callback(kernel.mount, "none", self.merged, "tmpfs")
                self.check(lambda _: "detached")
                self.check_lacking(lambda _: "detached")
            elif self.ending == "chroot":
                self.chroot()

    def chroot(self):
        inner = self.pick(0, lambda node: node.file is None and node.parent is not None)
        if inner is None:
            return
        self.target.ask("chroot", self.real(inner))

        def below(node):
            return node is inner or (node.parent is not None and below(node.parent))

        def state(mapping):
            return self.shadow.state(mapping) if below(mapping.node) else "unreachable"

        self.check(state, str(self.real(inner)))
        self.check_lacking(state, str(self.real(inner)))


@pytest.fixture(scope="module")
def grounds(lab):
    with ExitStack() as stack:
        made = {}
        for name, (lower, upper, _) in KINDS.items():
            where = stack.enter_context(kernel.filesystem(lower, lab / f"{name}-lower"))
            other = where if lower == upper else stack.enter_context(kernel.filesystem(upper, lab / f"{name}-upper"))
            made[name] = (where, other)
        yield made


def test_no_history_ends_in_a_wrong_answer(lab, mapper, grounds, capsys):
    Histories.lab, Histories.mapper, Histories.grounds = lab, mapper, grounds
    rules = settings(max_examples=HISTORIES, stateful_step_count=STEPS, deadline=None, database=None,
                     suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    run_state_machine_as_test(Histories, settings=rules)
    with capsys.disabled():
        print(f"\n{HISTORIES} histories:", ", ".join(f"{name} {number}" for name, number in sorted(seen.items())))
    states = {"current", "copied-up", "replaced", "deleted", "covered", "detached", "unreachable", "unknown"}
    assert states <= set(seen)
    proofs = {"kernel-inode", "sole-candidate", "page-frame", "lookup", "none"}
    assert {f"proof {proof}" for proof in proofs} <= set(seen)
