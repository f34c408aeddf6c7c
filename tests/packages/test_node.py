"""Names in packages of Node, which have no lists."""

import json

import pytest

from mapsd.model.packages import NotOwned, Package
from mapsd.packages.databases import Databases
from tests.packages.asking import compared, record, refused
from tests.packages.trees import Denied, Files


def package(name: object, version: object) -> str:
    return json.dumps({"name": name, "version": version, "dependencies": {}})


TREE = Files({
    "app/package.json": package("app", "9"),
    "app/node_modules/outer/package.json": package("outer", "1.0.0"),
    "app/node_modules/outer/dist/package.json": '{"type": "commonjs"}',
    "app/node_modules/outer/node_modules/@scope/inner/package.json": package("@scope/inner", "2.0.0-rc.1"),
    "app/node_modules/.pnpm/deep@3/node_modules/deep/package.json": package("deep", "3.0.0"),
    "app/node_modules/alias/package.json": package("real", "4.0.0"),
})


@pytest.mark.parametrize(("path", "name", "version"), [
    ("outer/build/x.node", "outer", "1.0.0"), ("outer/dist/x.node", "outer", "1.0.0"),
    ("outer/node_modules/@scope/inner/x.node", "@scope/inner", "2.0.0-rc.1"),
    ("outer/node_modules/.cache/x/x.node", "outer", "1.0.0"), ("outer/node_modules/gone/x.node", "outer", "1.0.0"),
    (".pnpm/deep@3/node_modules/deep/x.node", "deep", "3.0.0"), ("alias/x.node", "real", "4.0.0")])
def test_a_file_lies_in_the_innermost_package(path, name, version):
    found = record(TREE, f"/app/node_modules/{path}")
    assert found.package == Package("node", name, version)
    assert (found.listed, found.size, found.digest) == (False, None, None)
    assert compared(found, b"").reason == f"{name} has no digest and no size of the file to compare"


@pytest.mark.parametrize("path", ["/app/x.node", "/app/node_modules/x.node", "/node_modules/@scope/x.node",
                                  "/app/node_modules/.bin/x", "/app/xnode_modules/outer/x"])
def test_a_file_in_no_package_is_not_owned(path):
    assert Databases(TREE).owner(path.encode()) == NotOwned(())


@pytest.mark.parametrize("text", [
    "", "[]", "{", package(None, "1"), package("a", 1), package("a\33", "1"), package("a", ""), package("\ud800", "1"),
    "[" * 100000, '{"name": ' + "9" * 10000 + "}", package("a", "b" * 300), "x" * (1 << 21), b"\xff\xfe", Denied()])
def test_what_does_not_say_its_name_and_version_is_refused(text):
    assert refused(Files({"node_modules/a/package.json": text}), "/node_modules/a/x.node")
