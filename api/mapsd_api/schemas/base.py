"""What every model of the API is made of."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

# No control byte, C1 included, is ever in a text; paths are escaped besides, as docs/schema/lookup.json has it.
Word = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Text = Annotated[Word, Field(min_length=1)]
EscapedPath = Annotated[str, Field(pattern=r"^([^\\\x00-\x1f\x7f-\x9f]|\\\\|\\x[0-9a-f]{2})*$")]
Base64 = Annotated[str, Field(min_length=4, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-f]{1,16}$")]
Digest = Annotated[str, Field(pattern=r"^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$")]
Device = Annotated[str, Field(pattern=r"^[0-9]+:[0-9]+$")]
Moment = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Needs = Annotated[list[Text], Field(min_length=1)]


class Model(BaseModel):
    """A part of an answer.

    What is not known of it is ignored, in its JSON schema as well: to add a field is compatible. A reader that must
    know every field validates with `extra="forbid"`.
    """

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, extra="ignore")


class Selected(Model):
    """Makes every field of a model one that may be absent: its answer has those that were asked for."""

    @classmethod
    def __pydantic_init_subclass__(cls, **more: object) -> None:
        """Give every field an empty default that no schema shows."""
        super().__pydantic_init_subclass__(**more)
        for name, field in cls.model_fields.items():
            if name not in cls.__annotations__:
                field.default_factory = _nothing
        cls.model_rebuild(force=True)


def example(*answers: dict[str, Any]) -> ConfigDict:
    """Return what gives a model its examples."""
    return ConfigDict(json_schema_extra={"examples": list(answers)})


def absent(description: str, **limits: Any) -> Any:  # noqa: ANN401  (it stands for a field of any type)
    """Return a field that is absent where there is nothing to say, and never null."""
    return Field(default_factory=_nothing, description=description, **limits)


def exact(path: str) -> Any:  # noqa: ANN401  (as above)
    """Return the sibling of a *path*: absent where the path is verbatim."""
    return absent(f"The exact bytes of {path}, only where they are escaped there")


def _nothing() -> None:
    return None
