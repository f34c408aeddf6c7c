"""`mapsd extract` on real processes: what is written, what is said of it, and how it ends."""

import ctypes
import hashlib
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import BOUND, MAPSD, NOBODY, child, ended, mapped, opened_by, said, until
from tests.cli.extraction import validate
from tests.cli.test_lookup import ABSENT, NAMES
from tests.conftest import missing

PAGE = 4096
libc = ctypes.CDLL(None, use_errno=True)


def run(*words: object, prefix: list[str] | None = None, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [*(prefix or []), MAPSD, "extract", *(word if isinstance(word, bytes) else str(word) for word in words)]
    done = subprocess.run(command, check=False, timeout=BOUND, **{"capture_output": True, **options})
    assert b"Traceback" not in (done.stderr or b"")
    return done


def address(pid: int, name: bytes | Path, number: int = 0) -> str:
    """Return the start of a mapping by what maps prints of its name."""
    lines = [line for line in Path(f"/proc/{pid}/maps").read_bytes().splitlines() if os.fsencode(name) in line]
    return "0x" + lines[number].split(b"-")[0].decode()


def as_json(*words: object, **options: object) -> dict:
    done = run(*words, "--json", **options)
    assert said(done) == (0, "")
    return validate(json.loads(done.stdout))


@pytest.fixture
def held(tmp_path):
    """A file of three pages and a process that maps the first of them."""
    path = tmp_path / "held.so"
    path.write_bytes(os.urandom(3 * PAGE - 100))
    with child(lambda: mapped(path)) as pid:
        yield path, pid, address(pid, path)


def test_the_whole_backing_file_is_written_and_said_what_it_is(held, tmp_path):
    path, pid, at = held
    out = tmp_path / "out"
    done = run(pid, at, "-o", out)
    assert said(done) == (0, "")
    assert out.read_bytes() == path.read_bytes()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert done.stdout.decode().splitlines() == [
        f"output    {out}", f"size      {3 * PAGE - 100} bytes", f"sha256    {digest}", "build id  -",
        f"source    backing file {path} (proof kernel-inode)"]


def test_json_says_the_same(held, tmp_path):
    path, pid, at = held
    found = as_json(pid, at, "-o", tmp_path / "out")
    assert (found["process"]["pid"], found["mapping"]["start"], found["output"]) == (pid, at, str(tmp_path / "out"))
    assert (found["size"], found["sha256"]) == (3 * PAGE - 100, hashlib.sha256(path.read_bytes()).hexdigest())
    assert found["source"] == {"kind": "backing-file", "path": str(path), "proof": "kernel-inode", "reason": None,
                               "mappings": []}
    assert (found["build_id"], found["holes"], found["private"], found["changed"]) == (None, [], [], False)


def test_the_build_id_is_the_one_of_the_bytes(tmp_path):
    program = os.path.realpath(sys.executable)
    wanted = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=False).stdout
    for to, stream in ((tmp_path / "out", "stdout"), ("-", "stderr")):
        done = run(os.getpid(), address(os.getpid(), program.encode()), "-o", to, "--json")
        found = validate(json.loads(getattr(done, stream)))
        if "Build ID" in wanted:
            assert found["build_id"] == wanted.partition("Build ID: ")[2].split()[0]
    assert (tmp_path / "out").read_bytes() == Path(program).read_bytes()


@pytest.mark.usefixtures("root")
def test_a_file_without_a_name_is_written_from_memory_each_part_at_its_place(tmp_path):
    path, out = tmp_path / "gone", tmp_path / "out"
    path.write_bytes(b"".join(bytes([65 + page]) * PAGE for page in range(8)))

    def maps() -> list[mmap.mmap]:
        with path.open("rb") as file:
            made = [mmap.mmap(file.fileno(), size * PAGE, prot=mmap.PROT_READ, offset=page * PAGE)
                    for page, size in ((1, 2), (5, 1))]
        path.unlink()
        return made

    with child(maps) as pid:
        for number in (0, 1):
            found = as_json(pid, address(pid, path, number), "-f", "-o", out)
            data = out.read_bytes()
            assert data == bytes(PAGE) + b"B" * PAGE + b"C" * PAGE + bytes(2 * PAGE) + b"F" * PAGE
            assert found["holes"] == [{"start": 0, "end": PAGE, "why": "unmapped"},
                                      {"start": 3 * PAGE, "end": 5 * PAGE, "why": "unmapped"}]
            assert (found["size"], found["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
            assert (found["source"]["kind"], len(found["source"]["mappings"])) == ("memory", 2)
            assert found["source"]["reason"] == "the backing file has no name"
        text = run(pid, address(pid, path), "-f", "-o", out).stdout.decode()
        assert f"source    memory of {pid}, 2 mappings: the backing file has no name\n" in text
        assert "hole      0x3000-0x5000  no mapping covers it\n" in text


def anonymous(size: int, prot: int = mmap.PROT_READ | mmap.PROT_WRITE) -> mmap.mmap:
    return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot)


def test_memory_of_no_file_is_written_and_what_was_never_touched_is_left_untouched(tmp_path):
    kept = tmp_path / "address"

    def touches() -> mmap.mmap:
        made = anonymous(64 * PAGE)
        made[8 * PAGE:8 * PAGE + 5] = b"inner"
        kept.write_text(hex(ctypes.addressof(ctypes.c_char.from_buffer(made))))
        return made

    with child(touches) as pid:
        at, out = int(kept.read_text(), 16), tmp_path / "out"

        def resident() -> int:
            pages = Path(f"/proc/{pid}/pagemap").open("rb")  # noqa: SIM115
            with pages:
                pages.seek(at // PAGE * 8)
                return sum(word >> 63 for word in memoryview(pages.read(64 * 8)).cast("Q"))
        before = resident()
        found = as_json(pid, hex(at), "-o", out)
        start = int(found["mapping"]["start"], 16)
        data = out.read_bytes()
        assert resident() == before == 1
    assert found["mapping"]["kind"] == "anonymous"
    assert len(data) == found["size"] == int(found["mapping"]["end"], 16) - start
    assert data[at - start + 8 * PAGE:][:5] == b"inner"
    assert {"untouched"} == {hole["why"] for hole in found["holes"]}
    assert not any(data[hole["start"]:hole["end"]].strip(b"\0") for hole in found["holes"])


def test_a_page_that_the_process_may_not_read_itself_is_read(tmp_path):
    kept = tmp_path / "address"

    def hides() -> mmap.mmap:
        made = anonymous(2 * PAGE)
        made[:6] = b"hidden"
        at = ctypes.addressof(ctypes.c_char.from_buffer(made))
        libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(2 * PAGE), 0)
        kept.write_text(hex(at))
        return made

    with child(hides) as pid:
        run(pid, kept.read_text(), "-o", tmp_path / "out")
    assert b"hidden" in (tmp_path / "out").read_bytes()


def test_the_vdso_is_an_elf_file_with_its_build_id(tmp_path):
    found = as_json(os.getpid(), address(os.getpid(), b"[vdso]"), "-o", tmp_path / "out")
    assert (tmp_path / "out").read_bytes().startswith(b"\x7fELF")
    assert (found["mapping"]["kind"], found["holes"]) == ("vdso", [])
    assert found["build_id"]


@pytest.mark.parametrize("name", [b"[vvar]", b"[vsyscall]"])
def test_memory_of_the_kernel_or_of_a_device_is_never_read(name, tmp_path):
    try:
        at = address(os.getpid(), name)
    except IndexError:
        missing("kernel-memory", f"this kernel has no {name.decode()}")
    assert said(run(os.getpid(), at, "-o", tmp_path / "out")) == (
        1, f"mapsd: {os.getpid()}: the mapping at {at} is of a device or of the kernel: not read\n")
    assert list(tmp_path.iterdir()) == []


def test_a_memfd_is_put_together_and_its_private_pages_are_named(tmp_path):
    def maps() -> list[mmap.mmap]:
        fd = os.memfd_create("implant")
        os.write(fd, b"a" * PAGE + b"b" * PAGE + b"c" * PAGE)
        shared = mmap.mmap(fd, PAGE, prot=mmap.PROT_READ)
        own = mmap.mmap(fd, 2 * PAGE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE, offset=PAGE)
        own[PAGE] = ord("!")
        return [shared, own]

    with child(maps) as pid:
        at = address(pid, b"memfd:implant", 1)
        found = as_json(pid, address(pid, b"memfd:implant"), "-o", tmp_path / "out")
        text = run(pid, at, "-f", "-o", tmp_path / "out").stdout.decode()
    data = (tmp_path / "out").read_bytes()
    assert data == b"a" * PAGE + b"b" * PAGE + b"!" + b"c" * (PAGE - 1)
    private = min(found["source"]["mappings"], key=lambda one: one["perms"] != "rw-p")
    where = int(private["start"], 16) + 2 * PAGE - private["offset"]
    assert found["private"] == [{"start": 2 * PAGE, "end": 3 * PAGE, "address": hex(where)}]
    assert f"private   0x2000-0x3000  at {where:#x}: pages of the process's own, in the output, may differ" in text


def test_private_pages_are_named_where_the_file_is_written_too(held, tmp_path):
    path, _, _ = held

    def writes() -> mmap.mmap:
        with path.open("rb") as file:
            made = mmap.mmap(file.fileno(), 2 * PAGE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        made[PAGE] ^= 255
        return made

    with child(writes) as pid:
        at = address(pid, path)
        found = as_json(pid, at, "-o", tmp_path / "out")
        text = run(pid, at, "-f", "-o", tmp_path / "out").stdout.decode()
    assert (tmp_path / "out").read_bytes() == path.read_bytes()
    assert found["private"] == [{"start": PAGE, "end": 2 * PAGE, "address": hex(int(at, 16) + PAGE)}]
    assert "pages of the process's own, not in the output" in text


def test_only_what_is_in_memory_is_read_when_asked(tmp_path):
    kept = tmp_path / "address"

    def maps() -> mmap.mmap:
        fd = os.memfd_create("sparse")
        os.truncate(fd, 8 * PAGE)
        made = mmap.mmap(fd, 8 * PAGE)
        made[3 * PAGE] = 7
        kept.write_text(hex(ctypes.addressof(ctypes.c_char.from_buffer(made))))
        return made

    with child(maps) as pid:
        found = as_json(pid, kept.read_text(), "--fault=never", "-o", tmp_path / "out")
        assert [(hole["start"], hole["end"], hole["why"]) for hole in found["holes"]] == [
            (0, 3 * PAGE, "absent"), (4 * PAGE, 8 * PAGE, "absent")]
        assert (found["size"], (tmp_path / "out").read_bytes()[3 * PAGE]) == (4 * PAGE, 7)
        rollup = Path(f"/proc/{pid}/smaps").read_text().partition("sparse")[2]
        assert "Rss:                   4 kB" in rollup[:400]
        assert as_json(pid, kept.read_text(), "-f", "-o", tmp_path / "out")["size"] == 8 * PAGE


@pytest.mark.usefixtures("root")
def test_pages_behind_the_end_of_a_file_that_was_truncated_are_holes(tmp_path):
    path, out = tmp_path / "cut", tmp_path / "out"
    path.write_bytes(b"x" * 4 * PAGE)

    def cuts() -> mmap.mmap:
        with path.open("r+b") as file:
            made = mmap.mmap(file.fileno(), 4 * PAGE)
            file.truncate(PAGE + 10)
        return made

    with child(cuts) as pid:
        at = address(pid, path)
        assert as_json(pid, at, "-o", out)["size"] == PAGE + 10
        path.unlink()
        found = as_json(pid, at, "-f", "-o", out)
        assert found["holes"] == [{"start": 2 * PAGE, "end": 4 * PAGE, "why": "unreadable"}]
        assert out.read_bytes() == (b"x" * (PAGE + 10)).ljust(2 * PAGE, b"\0")
        os.truncate(f"/proc/{pid}/map_files/{_range(pid, path)}", 0)
        done = run(pid, at, "-f", "-o", out)
    assert said(done) == (1, f"mapsd: {pid}: no page of the mapping at {at} can be read\n")
    assert out.stat().st_size == 2 * PAGE, "a failure leaves what was there"


def _range(pid: int, path: Path) -> str:
    return next(line.split()[0] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if str(path) in line)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_bytes_are_exact_in_json_and_harmless_in_the_text(tmp_path, name):
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    out = os.path.join(os.fsencode(tmp_path), b"out" + name)
    path.write_bytes(b"." * PAGE)
    with child(lambda: mapped(path)) as pid:
        at = address(pid, str(tmp_path).encode())
        found = as_json(pid, at, b"-o" + out)
        done = run(pid, at, b"--output=" + out, "--force")
        refused = run(pid, at, "-o", out)
    assert Path(os.fsdecode(out)).read_bytes() == b"." * PAGE
    assert found["size"] == PAGE
    assert said(done) == (0, "")
    for text in (done.stdout, refused.stderr):
        assert all(char.isprintable() or char == "\n" for char in text.decode())
    assert (refused.returncode, refused.stderr.count(b"\n")) == (70, 1)


@pytest.mark.parametrize("put", ["file", "link", "dangling", "directory", "fifo"])
def test_what_is_at_the_name_is_neither_followed_nor_overwritten(held, tmp_path, put):
    _, pid, at = held
    out, other = tmp_path / "out", tmp_path / "other"
    other.write_bytes(b"other")
    {"file": lambda: out.write_bytes(b"old"), "link": lambda: out.symlink_to(other), "directory": out.mkdir,
     "dangling": lambda: out.symlink_to("nowhere"), "fifo": lambda: os.mkfifo(out)}[put]()
    before = out.lstat()
    done = run(pid, at, "-o", out)
    why = "it exists (--force replaces it)" if put == "file" else (
        "it exists and is no regular file: neither followed nor replaced")
    assert (done.stdout, said(done)) == (b"", (70, f"mapsd: cannot write {out}: {why}\n"))
    if put != "file":
        assert said(run(pid, at, "-f", "-o", out)) == (70, f"mapsd: cannot write {out}: {why}\n")
    assert (out.lstat(), other.read_bytes()) == (before, b"other")
    assert {entry.name for entry in tmp_path.iterdir()} == {"out", "other", "held.so"}


def test_force_replaces_a_file_by_a_new_one(held, tmp_path):
    path, pid, at = held
    out, link = tmp_path / "out", tmp_path / "link"
    out.write_bytes(b"old")
    out.chmod(0o644)
    os.link(out, link)
    assert run(pid, at, "--force", "-o", out).returncode == 0
    assert (out.read_bytes(), link.read_bytes(), out.stat().st_mode & 0o777) == (path.read_bytes(), b"old", 0o600)


def test_stdout_takes_the_bytes_and_stderr_what_is_said_of_them(held):
    path, pid, at = held
    done = run(pid, at, "-o", "-")
    assert (done.returncode, done.stdout) == (0, path.read_bytes())
    assert done.stderr.startswith(b"output    -\nsize      ")
    found = validate(json.loads(run(pid, at, "-o-", "--json").stderr))
    assert (found["output"], found["sha256"]) == (None, hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_terminal_gets_no_bytes(held):
    _, pid, at = held
    master, slave = os.openpty()
    done = run(pid, at, "-o", "-", capture_output=False, stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    os.close(master)
    assert said(done) == (2, "mapsd: the bytes of a mapping are not written to a terminal: -o FILE\n")


@pytest.mark.parametrize(("to", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed"),
                                         ("| true", "Broken pipe")])
def test_a_stdout_that_does_not_take_the_bytes_is_status_70(tmp_path, to, why):
    path = tmp_path / "large"
    path.write_bytes(b"x" * (1 << 20))
    with child(lambda: mapped(path)) as pid:
        command = f'{{ "$0" extract {pid} {address(pid, path)} -o -; echo $? >&2; }} {to}'
        done = subprocess.run(["sh", "-c", command, MAPSD], capture_output=True, text=True, check=False, timeout=BOUND)
    assert done.stderr == f"mapsd: cannot write stdout: {why}\n70\n"


@pytest.mark.usefixtures("root")
def test_a_full_disk_is_one_line_and_leaves_nothing(held):
    _, pid, at = held
    script = ('mount -t tmpfs -o size=8k full "$1" && "$0" extract "$2" "$3" -o "$1/out"; echo $? $(ls -A "$1") >&2')
    words = ["unshare", "-m", "sh", "-c", script, MAPSD, "/mnt", str(pid), at]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=BOUND)
    assert (done.stdout, done.stderr) == ("", "mapsd: cannot write /mnt/out: No space left on device\n70\n")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_end_in_the_middle_leaves_nothing(tmp_path, how):
    path, where = tmp_path / "large", tmp_path / "where"
    where.mkdir()
    path.touch()
    os.truncate(path, 4 << 30)
    with child(lambda: mapped(path)) as pid:
        words = [MAPSD, "extract", str(pid), address(pid, path), "-o", str(where / "out")]
        working = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda: str(path) in opened_by(working.pid))
        working.send_signal(how)
        told = working.communicate(timeout=BOUND)
    assert (working.returncode, told) == (-how, (b"", b""))
    assert list(where.iterdir()) == []


def test_more_than_the_limit_is_refused(held, tmp_path):
    _, pid, at = held
    assert said(run(pid, at, "-o", tmp_path / "out", "--max-size=2K")) == (
        70, f"mapsd: {pid}: {at}: {3 * PAGE - 100} bytes are more than --max-size=2048\n")
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 1 << 42)
    with child(lambda: mapped(large)) as other:
        done = run(other, address(other, large), "-o", tmp_path / "out")
    assert (done.returncode, b"bytes are more than" in done.stderr) == (70, True)
    assert not (tmp_path / "out").exists()


def test_a_missing_process_and_an_address_that_nothing_holds_are_status_1(held, tmp_path):
    _, pid, _ = held
    assert said(run(ABSENT, "0x1000", "-o", tmp_path / "out")) == (1, f"mapsd: {ABSENT}: no such process\n")
    assert said(run(pid, "0x0", "-o", tmp_path / "out")) == (1, f"mapsd: {pid}: no mapping holds 0x0\n")
    assert not (tmp_path / "out").exists()


def test_self_is_mapsd(tmp_path):
    assert said(run("self", "0x0", "-o", tmp_path / "out"))[1].endswith(": no mapping holds 0x0\n")


@pytest.mark.parametrize("words", [
    [], ["1"], ["self", "0x1"], ["self", "-o", "x"], ["self", "0x1", "-o"], ["self", "0x1", "0x2", "-o", "x"],
    ["0x1", "self", "-o", "x"], ["self", "0xg", "-o", "x"], ["self", "1", "-o", "x"], ["self", "0x1", "-o", "a", "-ob"],
    ["self", "0x1", "-o", "x", "--max-size=x"], ["self", "0x1", "-o", "x", "--ndjson"],
    ["self", "0x1", "-o", "x", "--fault=no"], ["self", "0x1", "-o", "x", "--fault"], ["\x1b", "0x1", "-ox"]])
def test_what_is_not_understood_is_status_2_and_one_printable_line(words, tmp_path):
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert done.stderr.decode()[:-1].isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_the_help_is_given_whatever_the_operands_are(word):
    done = run("nonsense", word)
    assert said(done) == (0, "")
    assert done.stdout.startswith(b"usage: mapsd extract ")


@pytest.mark.usefixtures("root")
def test_without_privilege_a_process_of_another_user_is_status_3(held):
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    _, pid, at = held
    assert said(run(pid, at, "-o", "-", prefix=NOBODY)) == (
        3, f"mapsd: {pid}: maps: permission denied: needs CAP_SYS_PTRACE\n")


@pytest.mark.usefixtures("root")
def test_without_privilege_a_process_of_one_s_own_is_extracted():
    if shutil.which("setpriv") is None:
        missing("root", "needs setpriv")
    sleeper = subprocess.Popen([*NOBODY, "sleep", "1000"])
    try:
        # The link names the program before its mappings are made.
        until(lambda: b"/sleep\n" in Path(f"/proc/{sleeper.pid}/maps").read_bytes())
        program = os.readlink(f"/proc/{sleeper.pid}/exe")
        done = run(sleeper.pid, address(sleeper.pid, program.encode()), "-o", "-", prefix=NOBODY)
        assert (done.returncode, done.stdout) == (0, Path(program).read_bytes())
        stack = run(sleeper.pid, address(sleeper.pid, b"[stack]"), "-o", "-", prefix=NOBODY)
        assert (stack.returncode, program.encode() in stack.stdout) == (0, True)
    finally:
        ended(sleeper.pid)
        sleeper.wait()


def test_the_access_time_of_the_backing_file_stays(held, tmp_path):
    path, pid, at = held
    os.utime(path, (1, 1))
    assert run(pid, at, "-o", tmp_path / "out").returncode == 0
    assert path.stat().st_atime == 1


def test_a_process_that_exits_in_the_middle_leaves_nothing(tmp_path):
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 1 << 30)
    with child(lambda: mapped(path)) as pid:
        words = [MAPSD, "extract", str(pid), address(pid, path), "-o", str(tmp_path / "out")]
        working = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: str(path) in opened_by(working.pid))
        ended(pid)
        told = working.communicate(timeout=BOUND)
    assert (working.returncode, told) == (4, ("", f"mapsd: {pid}: process exited during the lookup\n"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["large"]
