"""The scenes that are only run in booted kernels have what the overlay scenes have."""

from tests.overlay.conftest import base, lab, mapper

__all__ = ["base", "lab", "mapper"]
