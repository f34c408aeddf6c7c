"""The nouns: immutable values that every other module speaks in.

Paths are bytes. Addresses and offsets are in bytes, page numbers in pages.
"""

from mapsd.model.answers import PROOFS, Answer, Backing, Evidence, ProcessAnswer, ProcessFacts, Skipped, Trail
from mapsd.model.files import Absent, FileFacts, Found, Handle, Layer, LayerDir, OverlayHandle, OverlayOptions, Refused
from mapsd.model.kernel import HERE, DeviceId, Host, Mount, Vma

__all__ = ["HERE", "PROOFS", "Absent", "Answer", "Backing", "DeviceId", "Evidence", "FileFacts", "Found", "Handle",
           "Host", "Layer", "LayerDir", "Mount", "OverlayHandle", "OverlayOptions", "ProcessAnswer", "ProcessFacts",
           "Refused", "Skipped", "Trail", "Vma"]
