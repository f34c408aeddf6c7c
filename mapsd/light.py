"""NamedTuple, Protocol and the abstract containers without `typing`: importing that costs as much as a lookup.

A checker sees the standard ones. So does Python 3.14 and later, which keeps annotations elsewhere (PEP 649).
"""

import sys
from _collections_abc import Callable, Hashable, Iterator, Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING or sys.version_info >= (3, 14):
    from typing import NamedTuple, Protocol
else:
    from _collections import _tuplegetter

    _Function = type(lambda: None)
    _new = tuple.__new__
    # By number of fields, and no class has more: to compile one for each, as collections.namedtuple does, took a
    # tenth of a lookup.
    _CONSTRUCTORS = {
        1: lambda _, a: _new(_, (a,)),
        2: lambda _, a, b: _new(_, (a, b)),
        3: lambda _, a, b, c: _new(_, (a, b, c)),
        4: lambda _, a, b, c, d: _new(_, (a, b, c, d)),
        5: lambda _, a, b, c, d, e: _new(_, (a, b, c, d, e)),
        6: lambda _, a, b, c, d, e, f: _new(_, (a, b, c, d, e, f)),
        7: lambda _, a, b, c, d, e, f, g: _new(_, (a, b, c, d, e, f, g)),
        8: lambda _, a, b, c, d, e, f, g, h: _new(_, (a, b, c, d, e, f, g, h)),
        9: lambda _, a, b, c, d, e, f, g, h, i: _new(_, (a, b, c, d, e, f, g, h, i)),
        10: lambda _, a, b, c, d, e, f, g, h, i, j: _new(_, (a, b, c, d, e, f, g, h, i, j)),
        11: lambda _, a, b, c, d, e, f, g, h, i, j, k: _new(_, (a, b, c, d, e, f, g, h, i, j, k)),
        12: lambda _, a, b, c, d, e, f, g, h, i, j, k, m: _new(_, (a, b, c, d, e, f, g, h, i, j, k, m)),
        13: lambda _, a, b, c, d, e, f, g, h, i, j, k, m, n: _new(_, (a, b, c, d, e, f, g, h, i, j, k, m, n)),
        14: lambda _, a, b, c, d, e, f, g, h, i, j, k, m, n, o: _new(_, (a, b, c, d, e, f, g, h, i, j, k, m, n, o)),
        15: lambda _, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p: _new(
            _, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p)),
        16: lambda _, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q: _new(
            _, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q)),
    }

    def _constructor(fields: tuple[str, ...], defaults: tuple[object, ...]) -> object:
        # A signature of its own, as collections.namedtuple makes one: a general one is slower by half a lookup.
        template = _CONSTRUCTORS[len(fields)]
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


__all__ = ["TYPE_CHECKING", "Callable", "Hashable", "Iterator", "Mapping", "NamedTuple", "Protocol", "Sequence"]
