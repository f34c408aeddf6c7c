"""Where maps keeps the inner name of a nested overlay only, exe tells the outer one."""

import shutil

from tests.overlay import kernel
from tests.overlay.conftest import asked
from tests.overlay.target import Target


def test_exe_names_a_program_whose_directory_was_renamed_in_the_outer_overlay(base, mapper):
    bottom, inner, upper, outer = base / "bottom", base / "inner", base / "upper", base / "outer"
    for path in (bottom / "d", base / "beside", inner, upper, base / "work", outer):
        path.mkdir(parents=True)
    program = bottom / "d" / "program"
    shutil.copy2(mapper, program)
    options = f"upperdir={upper},workdir={base / 'work'},redirect_dir=on"
    with kernel.mounted("overlay", inner, "overlay", 0, f"lowerdir={bottom}:{base / 'beside'}"), \
            kernel.mounted("overlay", outer, "overlay", 0, f"lowerdir={inner}:{base / 'beside'},{options}"), \
            Target(outer / "d" / "program") as target:
        (outer / "d").rename(outer / "e")
        found = [one for one in asked(target.pid).values() if one["shown"]["path"].endswith("/program")]
    named = {one["user_path"] for one in found if one["state"] == "current"}
    assert named == {str(outer / "e" / "program")}
    assert {one["state"] for one in found} <= {"current", "unknown"}
    assert {one["backing"]["path"] for one in found if one["backing"]} == {str(program)}
