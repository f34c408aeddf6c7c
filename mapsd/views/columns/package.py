"""Columns of the package that a file's bytes are of."""

from mapsd.light import TYPE_CHECKING, Callable
from mapsd.views.columns.row import Column, Row, Value

if TYPE_CHECKING:
    from mapsd.model.packages import Brought, Package


def _of_package(value: "Callable[[Package], Value]") -> Callable[[Row], Value]:
    def found(row: Row) -> Value:
        package = None if row.mapping.package is None else row.mapping.package.package
        return None if package is None else value(package)
    return found


def _of_finding(value: "Callable[[Brought], Value]") -> Callable[[Row], Value]:
    return lambda row: None if row.mapping.package is None else value(row.mapping.package)


def _distribution(package: "Package") -> Value:
    return None if package.distribution is None else str(package.distribution)


def _source(package: "Package") -> Value:
    return None if package.origin is None else package.origin[0]


OF_PACKAGES = (
    Column("PACKAGE", "the package of the bytes, or (see PACKAGE_STATE) whose name the file has", _of_package(
        lambda package: package.name)),
    Column("PACKAGE_VERSION", "its version", _of_package(lambda package: package.version)),
    Column("PACKAGE_ARCHITECTURE", "its architecture", _of_package(lambda package: package.architecture)),
    Column("PACKAGE_KIND", "dpkg, apk, rpm, python or node", _of_package(lambda package: package.kind)),
    Column("PACKAGE_SOURCE", "the name of what it was built from", _of_package(_source)),
    Column("DISTRIBUTION", "the distribution that it is of, as in debian-12", _of_package(_distribution)),
    Column("PACKAGE_STATE", "whether the bytes are those that the package's record describes: same, differs, unowned "
           "(no package has the name) or unknown", _of_finding(lambda found: found.state)),
    Column("PACKAGE_REASON", "in what the bytes differ, or what stood in the way", _of_finding(
        lambda found: found.reason), long=True),
)
