"""The models of every request and response, as the OpenAPI document has them.

Answers are made by mapsd's own views, and sent as they are; the models say what they look like, and the tests that
they are so.
"""

from mapsd_api.schemas.addresses import AddressesAsked, AddressesLocated
from mapsd_api.schemas.containers import Containers
from mapsd_api.schemas.events import Lagged, ProcessGone, ProcessSeen, StateChanged
from mapsd_api.schemas.explain import Explanation
from mapsd_api.schemas.health import Health, Readiness
from mapsd_api.schemas.kernel import Diagnosis
from mapsd_api.schemas.layers import Layers
from mapsd_api.schemas.mapping import (
    MappedFile,
    MappedFiles,
    Mapping,
    Mappings,
    OfMappings,
    SelectedFile,
    SelectedFiles,
    SelectedMapping,
    SelectedMappings,
)
from mapsd_api.schemas.openfiles import OpenFiles
from mapsd_api.schemas.problem import Problem
from mapsd_api.schemas.process import ListedProcess, ProcessAnswer, ProcessList
from mapsd_api.schemas.translation import Translation
from mapsd_api.schemas.which import Which

__all__ = ["AddressesAsked", "AddressesLocated", "Containers", "Diagnosis", "Explanation", "Health", "Lagged", "Layers",
           "ListedProcess", "MappedFile", "MappedFiles", "Mapping", "Mappings", "OfMappings", "OpenFiles", "Problem",
           "ProcessAnswer", "ProcessGone", "ProcessList", "ProcessSeen", "Readiness", "SelectedFile", "SelectedFiles",
           "SelectedMapping", "SelectedMappings", "StateChanged", "Translation", "Which"]
