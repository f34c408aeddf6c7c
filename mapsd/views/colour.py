"""Cells in colour, by what their column says. See ECMA-48, Select Graphic Rendition."""

from mapsd.views.table import HEADING, LABEL

_GREEN, _YELLOW, _RED, _MAGENTA, _CYAN, _BOLD, _DIM = "32", "33", "31", "35", "36", "1", "2"
_STATES = {"current": _GREEN, "copied-up": _YELLOW, "replaced": _RED, "deleted": _RED, "covered": _CYAN,
           "detached": _CYAN, "unreachable": _CYAN, "unknown": _MAGENTA}
_CONFIDENCE = {"inferred": _YELLOW, "unknown": _MAGENTA}


def painted(column: str, cell: str) -> str:
    """Return a cell in its column's colour."""
    colour = {HEADING: _BOLD, LABEL: _DIM, "STATE": _STATES.get(cell), "CONFIDENCE": _CONFIDENCE.get(cell),
              "PROOF": _MAGENTA if cell == "none" else None}.get(column)
    return cell if colour is None else f"\x1b[{colour}m{cell}\x1b[0m"
