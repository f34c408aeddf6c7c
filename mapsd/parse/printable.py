"""Names and versions of a foreign database as text that may be shown."""

LONGEST = 256  # characters


def printable(value: bytes) -> str | None:
    """Return a value as text, None where it is empty, long, not UTF-8 or has what a terminal would not print."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and 0 < len(text) <= LONGEST and text == text.strip() else None
