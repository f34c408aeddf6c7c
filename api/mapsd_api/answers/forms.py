"""Other forms of an answer: mappings of one file together, and only the fields that are wanted."""

from collections.abc import Collection, Iterator, Sequence

from mapsd.model import Answer, ProcessAnswer
from mapsd.views import selection
from mapsd.views.render import JsonObject, as_json

PLACE = ("start", "end", "perms", "offset")
FIELDS = (*PLACE, "kind", "shown", "user_path", "host_path", "openable_path", "mount", "backing", "state",
          "confidence", "proof", "evidence", "build_id", "reason", "needs", "package")


def mappings(answer: ProcessAnswer, fields: Collection[str]) -> JsonObject:
    """Return the contract's object, each mapping with these *fields* (empty: all)."""
    whole = as_json(answer)
    return whole | {"mappings": [_chosen(one, fields) for one in _entries(whole)]}


def files(answer: ProcessAnswer, fields: Collection[str]) -> JsonObject:
    """Return the contract's object with `files` in place of `mappings`: the mappings of one file with one answer."""
    groups = selection.files(answer.mappings)
    whole = as_json(answer._replace(mappings=tuple(group[0] for group in groups)))
    entries = [_file(one, group, fields) for one, group in zip(_entries(whole), groups, strict=True)]
    return {name: value for name, value in whole.items() if name != "mappings"} | {"files": entries}


def states(answer: ProcessAnswer) -> dict[str, int]:
    """Return how many mappings are in each state, of those that there are."""
    found = [mapping.state for mapping in answer.mappings if mapping.state is not None]
    return {state: found.count(state) for state in selection.STATES if state in found}


def one_by_one(found: JsonObject) -> Iterator[JsonObject]:
    """Yield an object without its list, then what is on the list."""
    name = "files" if "files" in found else "mappings"
    yield {key: value for key, value in found.items() if key != name}
    yield from _entries(found, name)


def _file(entry: JsonObject, group: Sequence[Answer], fields: Collection[str]) -> JsonObject:
    places: list[JsonObject] = [{"start": f"{one.vma.start:#x}", "end": f"{one.vma.end:#x}", "perms": one.vma.perms,
                                 "offset": one.vma.offset} for one in group]
    return {"mappings": places} | {name: value for name, value in _chosen(entry, fields).items() if name not in PLACE}


def _chosen(entry: JsonObject, fields: Collection[str]) -> JsonObject:
    if not fields:
        return entry
    return {name: value for name, value in entry.items() if name.removesuffix("_base64") in fields}


def _entries(whole: JsonObject, name: str = "mappings") -> list[JsonObject]:
    found = whole[name]
    return found if isinstance(found, list) else []
