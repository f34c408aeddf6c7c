"""The overlay scenes of tests/overlay, for a daemon that lives in the same mount namespace."""

from tests.overlay.conftest import base, lab, mapper

__all__ = ["base", "lab", "mapper"]
