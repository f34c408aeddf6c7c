"""The package of a file's bytes: docs/schema/lookup.json."""

from mapsd.model.packages import SYSTEM, Brought, Distribution, Package
from mapsd.remote.decode import parts
from mapsd.remote.decode.fields import Fields

STATES = ("same", "differs", "unowned", "unknown")
KINDS = (*SYSTEM, "python", "node")


def brought(whole: Fields, name: str) -> Brought:
    """Return what is known of a package."""
    one = whole.part(name)
    package = None if one.maybe(Fields.text, "name") is None else _package(one)
    return Brought(one.word("state", STATES), package, one.maybe(Fields.path, "path"),
                   one.maybe(Fields.number, "layer"), one.maybe(Fields.text, "reason"), parts.needs(one))


def _package(one: Fields) -> Package:
    source = one.maybe(Fields.part, "source")
    return Package(one.word("kind", KINDS), one.text("name"), one.text("version"),
                   one.maybe(Fields.text, "architecture"), one.maybe(_distribution, "distribution"),
                   None if source is None else source.text("name"),
                   None if source is None else source.maybe(Fields.text, "version"))


def _distribution(whole: Fields, name: str) -> Distribution:
    one = whole.part(name)
    return Distribution(one.text("id"), one.maybe(Fields.text, "version"))
