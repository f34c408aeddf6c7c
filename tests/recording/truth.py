"""What is true of the mappings in a kernel's dump: truth.py DUMPS/KERNEL > FILE.

The truth of each case is what the workload did to its files; inode numbers are those that stat(2) gave of the layers.
Nothing of mapsd is imported, and nothing that mapsd says is asked.
"""

import json
import sys
from pathlib import Path

# Where the file lies in the layers that is mapped, and what a mapped file is called in the end.
_BELOW = {"renamed_upper_after": "data/ren_upper.new", "renamed_upper_before": "data/ren_upper.new",
          "rdir_before": "rdir/sub/file.dat", "rdir_after": "rdir/sub/file.dat", "symlinked": "data/lower.dat",
          "bind_overlay": "bmdir/file.dat", "udir_before": "udir.new/file.dat", "udir_after": "udir.new/file.dat"}
_MOVED = {"renamed_lower_before": "data/ren_lower.new", "renamed_upper_before": "data/ren_upper.new",
          "udir_before": "udir.new/file.dat"}
_UPPER = {"upper_file", "upper_shared_rw", "lower_opened_rw", "copyup_after", "deleted_upper", "recreated_new",
          "renamed_upper_before", "renamed_upper_after", "udir_before", "udir_after", "hardlink_a_after"}
_METADATA = {"chmod_before", "chmod_after", "renamed_lower_before", "renamed_lower_after"}


class Combination:
    """One combination of layers: what was done, and with which options."""

    def __init__(self, facts: dict) -> None:
        self.facts = facts
        self.done = dict(line.split("\t") for line in facts["modify"])
        options = facts["options"].split(",")
        self.metacopy, self.index = "metacopy=on" in options, "index=on" in options

    def cases(self) -> list[dict]:
        """Return what is true of each case that was mapped."""
        return [self._case(case) for case in self.facts["cases"] if case["result"] == "OK" and case.get("after")]

    def _case(self, case: dict) -> dict:
        label, layer = case["label"], self._layer(case["label"])
        return {"pid": self.facts["pid"], "combination": self.facts["combo"], "label": label,
                "start": int(case["after"]["line"].split("-")[0], 16), "path": self._path(case),
                "state": self._state(label), "role": {"vol": None, "up": "upper", "inup": "upper"}.get(layer, "lower"),
                "file": self._file(case, layer), "printed": [decimal(case["after"]["dev"]), case["after"]["ino"]]}

    def _path(self, case: dict) -> str:
        label = case["label"]
        if label == "symlinked":
            return "/data/lower.dat"
        if label.startswith("rdir"):
            moved = self.done.get("rename lower dir") == "OK"
            return "/rdir.new/sub/file.dat" if moved else "/rdir/sub/file.dat"
        return "/" + (_MOVED.get(label, case["path"]) if self.done else case["path"])

    def _state(self, label: str) -> str:
        if label == "shadowed":
            return "covered"
        if not self.done:
            return "current"  # without an upper layer nothing is changed
        if label in {"deleted_lower", "deleted_upper"}:
            return "deleted"
        if label == "recreated_old":
            return "replaced"
        moved = label in {"chmod_before", "renamed_lower_before"} and not self.metacopy
        copied = label in {"copyup_before", "hardlink_a"} or moved or (label == "hardlink_b" and self.index)
        return "copied-up" if copied else "current"

    def _layer(self, label: str) -> str:
        if label in {"bind_foreign", "bind_file"}:
            return "vol"
        if label == "lower1_only":
            return "inup" if "inner" in self.facts["layers"] else "low1"
        if label == "both_lowers":
            return "low1"
        above = label in _UPPER or (label in {"chmod_after", "renamed_lower_after"} and not self.metacopy)
        linked = label == "hardlink_b_after" and self.index
        return "up" if self.done and (above or linked) else "low2"

    def _file(self, case: dict, layer: str) -> list | None:
        """Return device and inode of the file that is held, None where they were not noted."""
        if layer == "vol":
            return identity(case["stat_vol"])
        label = case["label"]
        below = {"low2": "data/ren_lower.dat", "up": "data/ren_lower.new"}[layer] if label.startswith(
            "renamed_lower") else _BELOW.get(label, case["path"])
        below = "data/hard_a.dat" if (label, layer) == ("hardlink_b_after", "up") else below
        for other in self.facts["cases"]:
            aliased = {"renamed_lower_after": "data/ren_lower.dat"}.get(other["label"], _BELOW.get(other["label"]))
            for key, path in ((f"stat_{layer}", other["path"]), (f"stat_{layer}_alias", aliased)):
                if path == below and "ino" in other.get(key, {}) and other["label"] != "symlinked":
                    return identity(other[key])
        return None


def decimal(device: str) -> str:
    """Return a device as mountinfo has it."""
    major, minor = device.split(":")
    return f"{int(major, 16)}:{int(minor, 16)}"


def identity(seen: dict) -> list:
    return [decimal(seen["dev"]), seen["ino"]]


def truth(kernel: Path) -> list[dict]:
    """Return what is true of every case of every combination of one kernel."""
    found = [json.loads(path.read_text()) for path in sorted(kernel.glob("*/facts.json"))]
    return [case for facts in found for case in Combination(facts).cases()]


def main() -> None:
    print(json.dumps(truth(Path(sys.argv[1])), indent=None))


if __name__ == "__main__":
    main()
