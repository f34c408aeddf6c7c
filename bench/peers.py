#!/usr/bin/env python3
"""What other tools say of the mappings of one process in a container, beside what its memory holds: bench/peers.py.

As root, in a private mount namespace. What is not installed is left out and said; psutil belongs to the Python that
runs this.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import cases

MAPSD = Path(__file__).resolve().parent.parent / "bin/mapsd"
DEFINITIONS = """\
One process in a container, whose root is an overlay; it has mapped a file in each case, and then that was done to the
file. *Memory holds* is the layer's file that has the very bytes that `/proc/PID/mem` has at the mapping: every page of
every file is unique. A tool is

- **right** where it names that file: its device and inode number, or a path that opens it on the host;
- **same bytes** where what it names opens an overlay's file that has the same bytes now: which layer's file they are
  in is not said;
- **wrong** where what it names opens other bytes: whose is said;
- **nothing** where what it names opens no file; *says deleted* where it says that the file is;
- **not listed** where it does not show the mapping.

Paths are read in favour of the tool, inside the root of the process: on the host most of them would open nothing, or
another file.
"""
STATES = {"nested": "current", "nested, copied-up": "copied-up", "copied-up, deleted": "deleted"}
LABELS = {b"written over": "the upper copy", b"the new": "the new file"}


class Claim(NamedTuple):
    """What a tool says of a mapping: a path for /proc/PID/root (or *opens*, what it opens by itself), an identity."""

    path: str = ""
    device: str = ""
    inode: int = 0
    deleted: bool = False
    opens: Path | None = None


Tool = Callable[[cases.Process], dict[str, Claim]]  # by case


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("bench/peers.py: needs root")
    with cases.process() as process:
        columns = {name: said(tool, process) for name, tool in TOOLS.items()}
        mapsd = by_mapsd(process)
    print(DEFINITIONS)
    print(f"Linux {os.uname().release}\n")
    print(row(["case", "memory holds", *columns, "mapsd"]))
    print(row(["---"] * (len(columns) + 3)))
    for case, truth in process.truths.items():
        held = f"`{truth.path.relative_to(process.base)}`"
        print(row([case, held, *(cells[case] for cells in columns.values()), mapsd[case]]))
    print("\n" + "; ".join(filter(None, map(version, VERSIONS))))


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def said(tool: Tool, process: cases.Process) -> dict[str, str]:
    """Return the cell of each case."""
    try:
        claims = tool(process)
    except (FileNotFoundError, ImportError):
        return dict.fromkeys(cases.CASES, "not installed")
    return {case: judged(claims.get(case), process, case) for case in cases.CASES}


def judged(claim: Claim | None, process: cases.Process, case: str) -> str:
    truth = process.truths[case]
    if claim is None:
        return "not listed"
    if (claim.device, claim.inode) == (truth.device, truth.inode):
        return "right"
    if claim.deleted and claim.opens is None:
        return "nothing, says deleted"
    data = content(claim.opens or Path(f"/proc/{process.pid}/root{claim.path}"))
    if data is None:
        return "nothing"
    if data == truth.held:
        return "same bytes"
    return "**wrong**: " + next((label for start, label in LABELS.items() if data.startswith(start)), "another file")


def content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        # It opens nothing: that is the answer.
        return None


def by_case(claims: list[Claim]) -> dict[str, Claim]:
    """Return claims by the case whose file has the name."""
    names = {Path(path).name: case for case, path in cases.CASES.items()}
    return {names[Path(claim.path).name]: claim for claim in claims if Path(claim.path).name in names}


def unmarked(name: str) -> tuple[str, bool]:
    """Return a path without the kernel's mark, and whether it had it."""
    return name.removesuffix(" (deleted)"), name.endswith(" (deleted)")


def maps(process: cases.Process) -> dict[str, Claim]:
    """Read maps and take path, device and inode as they stand."""
    claims = []
    for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6:
            path, deleted = unmarked(fields[5])
            major, _, minor = fields[3].partition(":")
            claims.append(Claim(path, f"{int(major, 16)}:{int(minor, 16)}", int(fields[4]), deleted))
    return by_case(claims)


def map_files(process: cases.Process) -> dict[str, Claim]:
    """Follow the map_files link of each mapping."""
    return {case: followed(Path(f"/proc/{process.pid}/map_files/{truth.start:x}-{truth.start + len(truth.held):x}"))
            for case, truth in process.truths.items()}


def followed(link: Path) -> Claim:
    seen = link.stat()
    return Claim("", f"{os.major(seen.st_dev)}:{os.minor(seen.st_dev)}", seen.st_ino, opens=link)


def lsof(process: cases.Process) -> dict[str, Claim]:
    """Ask `lsof -F`: a field a line, its first letter says which; f begins a file."""
    claims, fields = [], {}
    for line in [*output("lsof", "-p", str(process.pid), "-F", "ftDin").splitlines(), "f"]:
        if line.startswith("f") and "n" in fields:
            device, name = int(fields.get("D", "0"), 16), re.sub(r" \((stat|path).*\)$", "", fields["n"])
            claims.append(Claim(name, f"{os.major(device)}:{os.minor(device)}", int(fields.get("i", 0)),
                                fields["f"] == "DEL"))
            fields = {}
        fields[line[:1]] = line[1:]
    return by_case(claims)


def lsfd(process: cases.Process) -> dict[str, Claim]:
    """Ask `lsfd --json`."""
    text = output("lsfd", "--json", "-p", str(process.pid), "-o", "ASSOC,NAME,MAJ:MIN,INODE,DELETED")
    claims = []
    for one in json.loads(text)["lsfd"]:
        path, deleted = unmarked(one["name"] or "")
        claims.append(Claim(path, one["maj:min"], one["inode"], deleted or bool(one["deleted"])))
    return by_case(claims)


def psutil(process: cases.Process) -> dict[str, Claim]:
    """Ask psutil's memory_maps(), which has paths."""
    found = import_module("psutil").Process(process.pid).memory_maps(grouped=False)
    return by_case([Claim(path, deleted=deleted) for path, deleted in (unmarked(one.path) for one in found)])


def pmap(process: cases.Process) -> dict[str, Claim]:
    """Ask `pmap -p`, which has paths."""
    lines = [line.split(maxsplit=3) for line in output("pmap", "-p", str(process.pid)).splitlines()]
    named = [unmarked(fields[3]) for fields in lines if len(fields) == 4]
    return by_case([Claim(path, deleted=deleted) for path, deleted in named])


def output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout


def by_mapsd(process: cases.Process) -> dict[str, str]:
    """Return the cells of mapsd: the identity and the path must both be the file's, and the state the case's."""
    found = json.loads(output(str(MAPSD), "lookup", str(process.pid), "--json"))
    answers = {int(one["start"], 16): one for one in found["mappings"]}
    return {case: own(answers[truth.start], truth, case) for case, truth in process.truths.items()}


def own(answer: dict, truth: cases.Truth, case: str) -> str:
    backing, state = answer["backing"], answer["state"]
    if backing is None or state == "unknown":
        return "unknown, says why"
    layer = backing["layer"] or {}
    right = (backing["device"], backing["inode"], backing["path"]) == (truth.device, truth.inode, str(truth.path))
    if not right or state != STATES.get(case, case):
        return f"**wrong**: {backing['path']}, {state}"
    return f"right: {state}, {layer.get('role')}:{layer.get('index')}"


TOOLS: dict[str, Tool] = {"maps, its path": maps, "map_files": map_files, "lsof": lsof, "lsfd": lsfd, "psutil": psutil,
                          "pmap": pmap}
VERSIONS = ("lsof", "lsfd", "psutil", "pmap")


def version(tool: str) -> str:
    if tool == "psutil":
        try:
            return f"psutil {import_module('psutil').__version__}"
        except ImportError:
            return ""
    if shutil.which(tool) is None:
        return ""
    done = subprocess.run([tool, "-v" if tool == "lsof" else "-V"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr)
    return f"{tool} {found[0]}" if found else tool


if __name__ == "__main__":
    main()
