"""The words of a command line, sorted by its command's table; argparse alone takes longer than a lookup (10 ms)."""

import os

from mapsd.cli.command import Asked, Command, Option
from mapsd.errors import UsageError
from mapsd.light import Iterator
from mapsd.model import HERE, Host
from mapsd.views.render import escaped

_PID_END = 1 << 31
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def parse(words: list[str], command: Command) -> Asked:
    """Return the flags, the values by option, and the operands.

    A value is written `--option=VALUE`, `--option VALUE`, `-oVALUE` or `-o VALUE`, whatever it begins with; flags of
    one letter may be joined (`-nr`, `-nro LIST`); `--` ends the options. To mapsd itself, whose name is empty, the
    first operand ends them: what follows a command is the command's. Raises UsageError for an option that there
    is not, a value that is missing or none of its choices, one given twice, options that exclude each other, and
    operands of a command that takes none.
    """
    reader = _Reader(command)
    rest = iter(words)
    for word in rest:
        if word == "--":
            reader.operands += rest
        elif not word.startswith("-") or word == "-":
            reader.operands.append(word)
            if not command.name:
                reader.operands += rest
        elif word.startswith("--"):
            reader.long(word, rest)
        else:
            reader.short(word, rest)
    return reader.asked()


class _Reader:
    """The words as far as they were read."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._options = {name: option for option in command.every_option for name in option.names}
        self._flags: set[str] = set()
        self._values: dict[str, str] = {}
        self.operands: list[str] = []

    def long(self, word: str, rest: Iterator[str]) -> None:
        """Take `--option`, `--option=VALUE` or `--option VALUE`."""
        spelled, mark, value = word.partition("=")
        option = self._options.get(spelled)
        if option is None or (mark and not option.value):
            raise UsageError(f"no such option: {quoted(word)}")
        if not option.value:
            self._flags.add(option.name)
        elif mark:
            self._take(option, spelled, value)
        else:
            self._take(option, spelled, option.bare or next(rest, None))

    def short(self, word: str, rest: Iterator[str]) -> None:
        """Take `-a`, `-ab`, `-oVALUE` or `-o VALUE`."""
        for place, letter in enumerate(word[1:], 1):
            spelled = f"-{letter}"
            option = self._options.get(spelled)
            if option is None:
                raise UsageError(f"no such option: {quoted(word)}")
            if option.value:
                self._take(option, spelled, word[place + 1:] or option.bare or next(rest, None))
                return
            self._flags.add(option.name)

    def _take(self, option: Option, spelled: str, value: str | None) -> None:
        if value is None:
            raise UsageError(f"a value is missing: {spelled}")
        if option.name in self._values:
            raise UsageError(f"given twice: {spelled}")
        if option.choices and value not in option.choices:
            raise UsageError(f"{spelled}: not one of {', '.join(option.choices)}: {quoted(value)}")
        self._values[option.name] = value

    def asked(self) -> Asked:
        """Return what was read. Raises UsageError for what does not go together."""
        command = self._command
        chosen = self._flags | self._values.keys()
        if "help" in chosen:
            return Asked(frozenset(self._flags), self._values, self.operands)
        for group in command.excludes:
            both = [f"--{name}" for name in group if name in chosen]
            if len(both) > 1:
                raise UsageError(f"{' and '.join(both)} exclude each other")
        if self.operands and not command.operands:
            raise UsageError(f"no operand is taken: {quoted(self.operands[0])} (see mapsd {command.name} --help)")
        return Asked(frozenset(self._flags), self._values, self.operands)


def pid(operand: str, host: Host = HERE) -> int:
    """Return the process of a machine that an operand names, `self` for this one. Raises UsageError, NoHost."""
    if operand == "self":
        return os.getpid() if host is HERE else _ourselves(host)
    digits = operand.isascii() and operand.isdigit() and len(operand) <= 10
    if not digits or not 0 < int(operand) < _PID_END:
        raise UsageError(f"not a PID: {quoted(operand)}")
    return int(operand)


def tid(text: str) -> int:
    """Return the thread that the value of an option names. Raises UsageError for what is no number."""
    if not text.isdigit():
        raise UsageError(f"not a TID: {quoted(text)}")
    return pid(text)


def _ourselves(host: Host) -> int:
    from mapsd.linux.elsewhere.host import ourselves  # noqa: PLC0415  (most machines are our own)
    number = ourselves(host)
    if number is None:
        raise UsageError(f"self: {quoted(os.fsdecode(host.procfs))} does not show this process")
    return number


def address(operand: str) -> int:
    """Return the address that an operand names, 0x and hexadecimal digits. Raises UsageError for what is none."""
    digits = operand[2:]
    if not operand.startswith("0x") or not 0 < len(digits) <= 16 or not _HEXADECIMAL.issuperset(digits):
        raise UsageError(f"not an address: {quoted(operand)}")
    return int(digits, 16)


def quoted(word: str) -> str:
    """Return a word of the command line for a message, its end cut where it is long."""
    text = escaped(os.fsencode(word))
    return f"'{text}'" if len(text) <= 80 else f"'{text[:80]}…'"
