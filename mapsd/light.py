"""NamedTuple, Protocol and the abstract containers without `typing`: importing that costs as much as a lookup.

A checker sees the standard ones. So does Python 3.14 and later, which keeps annotations elsewhere (PEP 649).
"""

import sys
from _collections_abc import Callable, Iterator, Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING or sys.version_info >= (3, 14):
    from typing import NamedTuple, Protocol
else:
    from _collections import _tuplegetter

    _Function = type(lambda: None)
    _templates: dict[int, _Function] = {}  # by number of fields: to compile one a class took a tenth of a lookup

    def _constructor(fields: tuple[str, ...], defaults: tuple[object, ...]) -> object:
        # A signature of its own, as collections.namedtuple makes one: a general one is slower by half a lookup.
        if len(fields) not in _templates:
            names = "".join(f", _{number}" for number in range(len(fields)))
            made = eval(f"lambda _cls{names}: _new(_cls, ({names[2:]},))", {"_new": tuple.__new__})  # noqa: S307
            _templates[len(fields)] = made
        template = _templates[len(fields)]
        code = template.__code__.replace(co_varnames=("_cls", *fields))
        return _Function(code, template.__globals__, "__new__", defaults or None)

    def _replace(self: tuple, /, **changes: object) -> tuple:
        made = tuple.__new__(type(self), map(changes.pop, self._fields, self))
        if changes:
            raise TypeError(f"no such fields: {', '.join(changes)}")
        return made

    def _values(self: tuple) -> tuple:
        return tuple(self)

    def _represent(self: tuple) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in zip(self._fields, self, strict=True))})"

    class _Meta(type):
        """Makes a tuple class with named fields of a class body, as typing.NamedTuple does."""

        def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, space)
            fields = tuple(space.get("__annotations__", ()))
            defaults = {field: space.pop(field) for field in fields if field in space}
            space.update({field: _tuplegetter(number, field) for number, field in enumerate(fields)})
            made = _constructor(fields, tuple(defaults.values())) if fields else tuple.__new__
            space.update(__slots__=(), _fields=fields, _field_defaults=defaults, __match_args__=fields, __new__=made,
                         _replace=_replace, __getnewargs__=_values)
            space.setdefault("__repr__", _represent)
            return type.__new__(type, name, (tuple,), space)

    class NamedTuple(metaclass=_Meta):
        """The base of a class body of fields."""

    class Protocol:
        """What a class must answer; only a checker looks."""


__all__ = ["TYPE_CHECKING", "Callable", "Iterator", "Mapping", "NamedTuple", "Protocol", "Sequence"]
