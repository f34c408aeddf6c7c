"""The packages of recorded files: what the databases and the files said then is what is answered."""

import json
import os
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mapsd
from mapsd.answer.packaged import Packaging
from mapsd.errors import AccessDenied
from mapsd.linux.live import Live
from mapsd.model import Refused
from mapsd.model.packages import Digest, Distribution, NotOwned, Owned, Package, Record
from mapsd.recorder.asked import recorded
from mapsd.recorder.session import RecordedSession
from mapsd.recorder.written import record
from mapsd.recording import form
from mapsd.recording.packages import OWNER
from mapsd.recording.plain import Plain
from mapsd.recording.redaction import Pseudonyms
from tests.cli.command import MAPSD, child, mapped
from tests.conftest import missing

SLEEP = shutil.which("sleep") or "/bin/sleep"
COLUMNS = ("USER_PATH", "PACKAGE", "PACKAGE_VERSION", "PACKAGE_KIND", "PACKAGE_SOURCE", "DISTRIBUTION",
           "PACKAGE_STATE", "PACKAGE_REASON")
WORDS = ["-nro", ",".join(COLUMNS)]


@pytest.fixture
def target(tmp_path):
    if shutil.which("dpkg-query") is None:
        missing("packages", "dpkg is not installed")
    (tmp_path / "mine").write_bytes(b"." * 4096)
    with child(lambda: mapped(SLEEP, tmp_path / "mine")) as pid:
        yield pid


def asked(*words, **options):
    return subprocess.run([MAPSD, *map(str, words)], capture_output=True, check=False, **options)


def written(path, pid, *words):
    done = asked("record", pid, "-o", path, *words)
    assert done.returncode == 0, done.stderr
    return path


def test_packages_are_answered_as_on_the_machine(target, tmp_path):
    made = written(tmp_path / "recording", target, "--packages")
    for words in (["--packages", "--json"], [*WORDS, "--files"], ["-o+PACKAGE"], ["--json"], []):
        live, found = (re.sub(rb'"as_of": "[^"]*"', b"", asked("lookup", target, *words, *more).stdout)
                       for more in ([], ["--from", made]))
        assert found == live
    states = {one.package.state for one in RecordedSession(os.fsencode(made)).lookup(target, packages=True).mappings
              if one.package is not None}
    assert states >= {"same", "unowned"}


def test_no_database_and_no_file_of_the_reader_is_looked_at(target, tmp_path):
    made = written(tmp_path / "recording", target, "--packages")
    live = asked("lookup", target, *WORDS).stdout
    hidden = 'mount -t tmpfs none /var/lib/dpkg && mount --bind /dev/null "$0" && exec "$@"'
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-ec", hidden, os.path.realpath(SLEEP),
                           MAPSD, "lookup", str(target), *WORDS, "--from", made], capture_output=True, check=False)
    if b"unshare" in done.stderr:
        missing("root", "no mount namespace may be made")
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", live)


def test_of_a_recording_without_packages_they_are_unknown(target, tmp_path):
    made = written(tmp_path / "recording", target)
    assert b"run packages" not in made.read_bytes()
    for one in RecordedSession(os.fsencode(made)).lookup(target, packages=True).mappings:
        said = None if one.package is None else (one.package.state, one.package.package, one.package.reason)
        assert said == (("unknown", None, "the recording does not have it") if one.kind == "file" else None)


def test_a_proof_that_says_another_file_has_no_package_of_that_one(target, tmp_path):
    made = written(tmp_path / "recording", target, "--packages")
    auto = RecordedSession(os.fsencode(made)).lookup(target, packages=True)
    for proof in ("lookup", "page-frame", "bpf"):
        other = RecordedSession(os.fsencode(made), proof).lookup(target, packages=True)
        for one, seen in zip(auto.mappings, other.mappings, strict=True):
            if one.package is not None and one.backing == seen.backing and one.state == seen.state:
                assert seen.package == one.package


def test_without_names_the_findings_are_the_same_with_pseudonyms(target, tmp_path):
    plain, made = (written(tmp_path / name, target, "--packages", *words) for name, words in (
        ("plain", []), ("redacted", ["--redact"])))
    one, other = (RecordedSession(os.fsencode(path)).lookup(target, packages=True) for path in (plain, made))
    found = [(a.package, b.package) for a, b in zip(one.mappings, other.mappings, strict=True)]
    assert [None if b is None else b.state for _, b in found] == [None if a is None else a.state for a, _ in found]
    packages = {(a.package, b.package) for a, b in found if a is not None and b is not None and a.package is not None}
    # One package is one pseudonym, and another package another one.
    assert len(packages) == len({a for a, _ in packages}) == len({b for _, b in packages}) > 0
    text = made.read_text().partition("run packages")[2]
    for package, redacted in packages:
        assert (redacted.kind, redacted.distribution) == (package.kind, package.distribution)
        for secret in (package.name, package.version, package.source):
            assert secret is None or f'"{secret}"' not in text
    for digest in re.findall(r'"digest": "([0-9a-f]{32})"', plain.read_text()):
        assert digest not in text


@pytest.mark.parametrize("length", [16, 20, 28, 32, 48, 64])
def test_digests_are_told_apart_as_before_also_where_one_was_cut_off(length):
    names = Pseudonyms()
    one, other = bytes(range(64)), bytes([*range(63), 0])
    assert len(names.digest(one[:length])) == length
    assert names.digest(one).startswith(names.digest(one[:length]))
    assert (names.digest(one[:length]) == names.digest(other[:length])) == (one[:length] == other[:length])
    assert one[:16] not in names.digest(one)
    assert names.digest(one[:length - 1]) == b""


def test_a_sentence_about_a_database_is_left_out_with_its_names():
    refused = Refused("var/lib/dpkg/info/secret.list: ends in the middle of a line", "CAP_DAC_READ_SEARCH")
    for owner in (refused, Owned((Record(Package("node", "secret", "secret-1"), b"/secret"),), (refused,))):
        text = json.dumps(OWNER.spell(owner, Redacted()))
        assert "secret" not in text
        assert "CAP_DAC_READ_SEARCH" in text


class Redacted(Pseudonyms):
    """The port Pen, by which no directory is written down."""

    def directory(self, layer):
        raise AssertionError(layer)


class Restless(Packaging):
    """Between the databases and the second look a mapped file gets another name."""

    def __init__(self, live, path):
        super().__init__(live)
        self.path = path

    def packaged(self, answer, thread, again, **how):
        def changed():
            self.path = self.path.rename(self.path.with_name(self.path.name + "x"))
            return again()
        return super().packaged(answer, thread, changed, **how)


class Denied(Packaging):
    """The databases may not be asked."""

    def packaged(self, answer, thread, again, *, through=None):
        del again, thread
        with pytest.raises(AttributeError):
            through(None).now()
        raise AccessDenied(f"{answer.process.pid}: root", "CAP_SYS_PTRACE")


def recorded_by(packaging, pid, path):
    live = Live()
    try:
        transcript, _ = recorded(pid, live, Plain(), packaging=packaging(live))
    finally:
        live.iterator.close()
    path.write_bytes(b"".join(form.rendered(iter([(f"process {pid}", transcript.lines())]))))
    return RecordedSession(os.fsencode(path)).lookup(pid, packages=True)


def test_what_changed_while_it_was_recorded_is_unknown(target, tmp_path):
    answer = recorded_by(lambda live: Restless(live, tmp_path / "mine"), target, tmp_path / "recording")
    found = {os.path.basename(one.user_path or b""): one.package for one in answer.mappings if one.package is not None}
    assert (found[b"mine"].state, found[b"mine"].package) == ("unknown", None)
    assert "changed while they were asked" in found[b"mine"].reason
    assert found[os.path.basename(os.path.realpath(SLEEP)).encode()].state == "same"


def test_what_could_not_be_asked_is_not_half_recorded(target, tmp_path):
    answer = recorded_by(Denied, target, tmp_path / "recording")
    assert b"run packages" not in (tmp_path / "recording").read_bytes()
    assert {one.package.reason for one in answer.mappings if one.package is not None} == {
        "the recording does not have it"}


def test_the_library_records_them_as_well(target, tmp_path):
    (tmp_path / "recording").write_bytes(b"".join(record([target], packages=True).lines))
    found = RecordedSession(os.fsencode(tmp_path / "recording")).lookup(target, packages=True)
    with mapsd.Session() as session:
        live = session.lookup(target, packages=True)
    assert [one.package for one in found.mappings] == [one.package for one in live.mappings]


words = st.text("ab1.-~", min_size=1, max_size=8)
maybe = st.none().__or__
packages = st.builds(Package, st.sampled_from(["dpkg", "apk", "rpm", "python", "node"]), words, words, maybe(words),
                     maybe(st.builds(Distribution, words, maybe(words))), maybe(words), maybe(words))
records = st.builds(Record, packages, st.binary(max_size=8), st.booleans(), maybe(st.integers(0, 1 << 60)),
                    maybe(st.builds(Digest, words, st.binary(min_size=16, max_size=16))), st.booleans())


@given(st.lists(records, min_size=1, max_size=3))
def test_records_with_pseudonyms_are_equal_where_they_were(several):
    names = Redacted()
    spelled = [json.dumps(OWNER.spell(Owned((one,)), names)) for one in several]
    assert len(set(spelled)) == len(set(several))
    read = [OWNER.read(json.loads(text), names) for text in spelled]
    assert [one.records[0].size for one in read] == [one.size for one in several]
    assert json.dumps(OWNER.spell(NotOwned(("dpkg",)), names)) == '{"not owned": {"searched": ["dpkg"]}}'
