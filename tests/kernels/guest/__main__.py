"""Run the scenes in a booted kernel, and report each on the second serial port."""

import gc
import json
import os
import tempfile
from pathlib import Path

import pytest

from tests.kernels.guest import facts, report

gc.disable()
os.environ |= {"MAPSD_REQUIRE": "overlay,root", "LAYERS_SHOWN": "no", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
with open("/dev/ttyS1", "w") as port, tempfile.TemporaryDirectory() as name:
    scenes = json.loads(Path("scenes.json").read_text())
    told = report.Report(port, facts.facts(Path(name)), scenes["needs"])
    options = ["--assert=plain", "--tb=short", "-p", "no:terminalreporter"]
    told.end(pytest.main([*options, *scenes["arguments"]], plugins=[told]))
