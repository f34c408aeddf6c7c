"""mapsd: for every mapping of a process, which file it is called and which file it really holds."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mapsd.observe import lookup

__version__ = "0.1.0"
__all__ = ["__version__", "lookup"]


def __getattr__(name: str) -> object:
    """Import the library when it is first asked for (PEP 562)."""
    if name == "lookup":
        from mapsd.observe import lookup  # noqa: PLC0415  (lazily, so that --version stays cheap)
        return lookup
    raise AttributeError(name)
