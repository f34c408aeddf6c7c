"""mapsd: for every mapping of a process, which file it is called and which file it really holds."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mapsd.explanation import explain
    from mapsd.nameview import which
    from mapsd.overlayview import layers
    from mapsd.session import Session, fds, lookup

__version__ = "0.1.0"
# public name: its module
_FROM = {"Session": "session", "explain": "explanation", "fds": "session", "layers": "overlayview", "lookup": "session",
         "which": "nameview"}
__all__ = ["Session", "__version__", "explain", "fds", "layers", "lookup", "which"]


def __getattr__(name: str) -> object:
    """Import a part of the library when it is first asked for (PEP 562), so that --version stays cheap."""
    if name in _FROM:
        return getattr(__import__(f"mapsd.{_FROM[name]}", fromlist=[name]), name)
    raise AttributeError(name)
