"""Whom the answers ask: a process of a live machine, or a recorded one. Only a checker imports this."""

from mapsd.sources.beside import Beside, ContainedAttempt, Inhabitant, Inhabitants, Tree
from mapsd.sources.held import Open, OpenAttempt
from mapsd.sources.machine import Layers, Search
from mapsd.sources.mappings import Attempt, Maps
from mapsd.sources.process import Observed, Source, Texts

__all__ = ["Attempt", "Beside", "ContainedAttempt", "Inhabitant", "Inhabitants", "Layers", "Maps", "Observed", "Open",
           "OpenAttempt", "Search", "Source", "Texts", "Tree"]
