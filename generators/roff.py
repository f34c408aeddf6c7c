"""Text as the source of a man page: ASCII, and no line over 80 characters. See man(7), groff_char(7)."""

import re

WIDTH = 78
_SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
# A command or an option within a sentence: `mapsd teach`, --fault=never.
_MARKED = re.compile(r"`([^`]+)`|(?<![\w-])(--[a-z][a-z-]*(?:=[a-z-]+)?)")


def literal(text: str) -> str:
    """Return text of which every character stands for itself, inside a line."""
    return "".join(_SPECIAL.get(letter, letter if letter.isascii() else rf"\[u{ord(letter):04X}]") for letter in text)


def bold(text: str) -> str:
    """Return text as it is typed."""
    return rf"\fB{literal(text)}\fR"


def italic(text: str) -> str:
    """Return what stands for something else."""
    return rf"\fI{literal(text)}\fR"


def prose(text: str) -> str:
    """Return a paragraph's lines; what is typed is bold."""
    parts = _MARKED.split(text)
    marked = [literal(plain) + bold(quoted or option or "") * bool(quoted or option)
              for plain, quoted, option in zip(parts[::3], [*parts[1::3], ""], [*parts[2::3], ""], strict=True)]
    return filled("".join(marked))


def filled(text: str) -> str:
    """Return the lines of text that is marked already."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) <= WIDTH:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
        else:
            lines.append(word)
    # A line that begins with a dot is a request; an apostrophe is spelled otherwise by now.
    return "\n".join(rf"\&{line}" if line.startswith(".") else line for line in lines if line)


def section(name: str, *parts: str) -> str:
    """Return a section, nothing where it has no part."""
    return "\n".join((f".SH {name}", *parts)) if parts else ""


def described(term: str, text: str) -> str:
    """Return a term (already marked) with what it means below it."""
    return f".TP\n{term}\n{prose(text)}"


def paragraphs(text: str) -> str:
    """Return paragraphs that have an empty line between them."""
    return "\n.PP\n".join(map(prose, text.split("\n\n")))
