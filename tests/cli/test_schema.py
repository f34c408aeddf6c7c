"""The schema refuses what the contract forbids."""

import copy

import pytest

from tests.cli.command import as_json
from tests.schema import validate

FORBIDDEN = {
    "an unknown state": {"state": "fine"},
    "a file without a state": {"state": None},
    "an unknown state without a reason": {"state": "unknown", "reason": None},
    "no backing and no reason": {"backing": None, "proof": "none", "confidence": "unknown", "reason": None},
    "no backing but a proof": {"backing": None, "reason": "x"},
    "a backing without a proof": {"proof": "none", "confidence": "unknown", "reason": "x"},
    "a proof that is surer than it is": {"proof": "lookup", "confidence": "proven"},
    "a proof that is less sure than it is": {"proof": "kernel-inode", "confidence": "inferred"},
    "a need without a reason": {"needs": ["CAP_SYS_ADMIN"], "reason": None},
    "needs of nothing": {"needs": [], "reason": "x"},
    "a detached file with a name": {"state": "detached"},
    "a current file without a name": {"user_path": None},
    "an openable path elsewhere": {"openable_path": "/etc/passwd"},
    "a state of what is no file": {"kind": "heap"},
    "a field that nobody knows": {"states": "current"},
    "an address that is a number": {"start": 4096},
    "an address in capitals": {"start": "0xABC"},
    "a control byte": {"user_path": "/a\n"},
    "a C1 control": {"user_path": "/a\u009b31m"},
    "an escaped path without its bytes": {"user_path": "/a\\\\b"},
    "bytes of a verbatim path": {"user_path": "/a", "user_path_base64": "L2E="},
    "bytes of another path": {"user_path": "/a\\\\b", "user_path_base64": "L2E="},
    "a lone backslash": {"user_path": "/a\\b", "user_path_base64": "L2FcYg=="},
}


@pytest.fixture(scope="module")
def answer():
    return as_json("self")


@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_schema_refuses(answer, why):
    broken = copy.deepcopy(answer)
    mapping = next(m for m in broken["mappings"] if m["state"] == "current" and m["proof"] == "kernel-inode")
    mapping.update(FORBIDDEN[why])
    with pytest.raises(AssertionError, match="mappings"):
        validate(broken)


@pytest.mark.parametrize(("part", "value"), [
    ("schema", "mapsd/v2"), ("as_of", "2026-11-23T10:00:00Z"), ("skipped", None), ("kernel", {"release": "6.1"}),
    ("container", {}), ("mappings", None)])
def test_the_schema_refuses_other_forms_of_the_whole(answer, part, value):
    with pytest.raises(AssertionError):
        validate({**answer, part: value})
