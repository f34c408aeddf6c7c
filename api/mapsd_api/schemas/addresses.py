"""Many addresses at once: POST /v1/processes/{pid}/addresses."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from mapsd_api.schemas.base import Address, Model, Moment, Natural, example
from mapsd_api.schemas.mapping import COPIED_UP, Mapping
from mapsd_api.schemas.parts import KERNEL, ShowingKernel
from mapsd_api.schemas.process import AS_OF, NGINX, Process

MOST = 10_000  # addresses of one request
ASKED: dict[str, Any] = {"addresses": ["0x7f0c1c001234", "0x1000"]}
HELD = {"address": "0x7f0c1c001234", "mapping": 0, "file_offset": 4660}
NOWHERE = {"address": "0x1000", "mapping": None, "file_offset": None}
AskedAddress = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{1,16}$")]


class AddressesAsked(Model):
    """Addresses of one process. What else the body holds is refused: it may have been meant."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [ASKED]})

    addresses: list[AskedAddress] = Field(min_length=1, max_length=MOST, description="The addresses, hexadecimal")
    thread: Annotated[int, Field(ge=1, lt=2**31)] | None = Field(
        default=None, description="A thread of the process that has a mount namespace or a root of its own")


class LocatedAddress(Model):
    """One address."""

    model_config = example(HELD, NOWHERE)

    address: Address = Field(description="The address, hexadecimal in lower case")
    mapping: Natural | None = Field(description="The place of its mapping in mappings, from 0; null: none holds it")
    file_offset: Natural | None = Field(description="Where it lies in the mapping's file, in bytes; null for no file")


class AddressesLocated(Model):
    """Each address with its mapping, in the order asked; all are of one moment."""

    model_config = example({"schema": "mapsd/v1", "process": NGINX, "kernel": KERNEL, "as_of": AS_OF,
                            "addresses": [HELD, NOWHERE], "mappings": [COPIED_UP]})

    schema_: Literal["mapsd/v1"] = Field(alias="schema", description="The version of the contract")
    process: Process = Field(description="The process that was asked about")
    kernel: ShowingKernel = Field(description="The running kernel")
    as_of: Moment = Field(description="When the answer was made, UTC")
    addresses: list[LocatedAddress] = Field(description="The addresses, in the order asked")
    mappings: list[Mapping] = Field(description="The mappings that hold one of them, each once")
