"""mapsd.light's NamedTuple beside the standard one."""

import pickle
import subprocess
import sys
from typing import NamedTuple

import pytest

from mapsd import light


class Light(light.NamedTuple):
    """Two fields, a default, a method."""

    name: bytes
    size: int = 4

    def twice(self) -> int:
        return self.size * 2


class Standard(NamedTuple):
    name: bytes
    size: int = 4


def test_a_light_tuple_is_made_and_read_as_a_standard_one():
    one, other = Light(b"a", size=5), Standard(b"a", size=5)
    assert (one, one.name, one.size, one.twice(), hash(one)) == (other, other.name, other.size, 10, hash(other))
    assert (Light(b"a"), Light._fields, Light._field_defaults) == ((b"a", 4), Standard._fields, {"size": 4})
    assert repr(one) == "Light(name=b'a', size=5)"
    assert Light.__doc__ == "Two fields, a default, a method."


def test_a_light_tuple_is_replaced_matched_and_pickled():
    assert Light(b"a")._replace(size=7) == (b"a", 7)
    assert pickle.loads(pickle.dumps(Light(b"a", 5))) == Light(b"a", 5)
    match Light(b"a", 6):
        case Light(name, size=6):
            assert name == b"a"
        case _:
            pytest.fail("not matched")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the standard one is used")
@pytest.mark.parametrize("width", range(1, 17))
def test_a_light_tuple_has_up_to_sixteen_fields(width):
    values = {f"field_{number}": number for number in range(width)}
    space = {"__module__": __name__, "__annotations__": dict.fromkeys(values, int)}
    made = type(light.NamedTuple)("Wide", (light.NamedTuple,), space)
    assert made(*values.values()) == made(**values) == tuple(range(width))
    assert [getattr(made(**values), name) for name in values] == list(range(width))


@pytest.mark.parametrize("wrong", [Light, lambda: Light(b"a", 1, 2), lambda: Light(b"a", width=1),
                                   lambda: Light(b"a")._replace(width=1)])
def test_a_wrong_field_is_an_error(wrong):
    with pytest.raises((TypeError, ValueError)):
        wrong()


def test_a_light_tuple_can_not_be_changed():
    with pytest.raises(AttributeError):
        Light(b"a").name = b"b"
    with pytest.raises(AttributeError):
        Light(b"a").width = 1


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the standard one is used")
def test_the_library_imports_no_typing():
    code = "import sys; import mapsd.answer.observe; print([n for n in ('typing', 're', 'enum') if n in sys.modules])"
    found = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
