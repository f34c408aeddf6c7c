"""What a machine lets somebody establish: the capabilities that mapsd can use, and the means that were tried."""

from mapsd.light import NamedTuple

NUMBERS = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39,
           "CAP_CHECKPOINT_RESTORE": 40}  # include/uapi/linux/capability.h
_PARTS_OF_SYS_ADMIN = {"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"}


class Capabilities(NamedTuple):
    """The names held effectively, and whether the caller's user namespace is the initial one: only there they count."""

    held: tuple[str, ...]
    initial: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of NUMBERS that are not held."""
        return tuple(name for name in NUMBERS if name not in self.held)

    def lacks(self, *names: str) -> tuple[str, ...]:
        """Return those of *names* that do not count: CAP_SYS_ADMIN stands for what was split off from it."""
        return tuple(name for name in names if not self._has(name))

    def _has(self, name: str) -> bool:
        stands_for = name in _PARTS_OF_SYS_ADMIN and "CAP_SYS_ADMIN" in self.held
        return self.initial and (name in self.held or stands_for)

    def advice(self, *names: str) -> str:
        """Return how to come by *names*, empty where nothing is missing."""
        lacking = " and ".join(self.lacks(*names))
        if not lacking:
            return ""
        where = "" if self.initial else ", in the initial user namespace"
        return f"run as root, or give {lacking}{where}"


class Finding(NamedTuple):
    """Whether one thing works (None: not established), what was seen, the capabilities missing and what to do."""

    name: str
    works: bool | None
    detail: str
    needs: tuple[str, ...]
    advice: str


class Diagnosis(NamedTuple):
    """What was found; *shows* is the contract's `kernel.shows`."""

    release: str
    shows: str | None
    capabilities: Capabilities
    proofs: tuple[Finding, ...]
    findings: tuple[Finding, ...]
