"""mapsd: for every mapping of a process, which file it is called and which file it really holds."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mapsd.disk import Disk
    from mapsd.extraction import extract
    from mapsd.linux.doctor import examined as doctor
    from mapsd.linux.elsewhere.host import host
    from mapsd.once import fds, layers, lookup, translate, which
    from mapsd.session import Session
    from mapsd.views.explanation import explain

__version__ = "0.1.0"
# public name: where it comes from
_FROM = {"Disk": "disk.Disk", "Session": "session.Session", "doctor": "linux.doctor.examined",
         "explain": "views.explanation.explain", "extract": "extraction.extract", "fds": "once.fds",
         "host": "linux.elsewhere.host.host", "layers": "once.layers", "lookup": "once.lookup",
         "translate": "once.translate", "which": "once.which"}
__all__ = ["Disk", "Session", "__version__", "doctor", "explain", "extract", "fds", "host", "layers", "lookup",
           "translate", "which"]


def __getattr__(name: str) -> object:
    """Import a part of the library when it is first asked for (PEP 562), so that --version stays cheap."""
    if name in _FROM:
        module, _, wanted = _FROM[name].rpartition(".")
        return getattr(__import__(f"mapsd.{module}", fromlist=[wanted]), wanted)
    raise AttributeError(name)
