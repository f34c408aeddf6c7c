"""The committed skeletons are what their sources compile to."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import missing

NEEDED = ("clang", "llvm-strip", "bpftool")


def test_the_skeletons_are_built_from_their_sources(checkout, tmp_path):
    absent = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    absent += [] if Path("/usr/include/bpf/bpf_helpers.h").exists() else ["libbpf's headers"]
    if absent:
        missing("bpf", f"needs {', '.join(absent)}")
    subprocess.run([checkout / "bin/build-bpf", tmp_path], check=True)
    folder = checkout / "mapsd/linux/bpf"
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made.keys() == {source.name.replace(".bpf.c", ".skeleton") for source in folder.glob("*.bpf.c")}
    assert made == {path.name: path.read_bytes() for path in folder.glob("*.skeleton")}, "run bin/build-bpf"
