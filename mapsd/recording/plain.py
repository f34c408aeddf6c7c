"""Names as they are; of each text only what an answer is made from, and what is the same from one look to the next."""

_STATUS = (b"Name:", b"Tgid:", b"Pid:", b"Uid:", b"Gid:", b"CapInh:", b"CapPrm:", b"CapEff:", b"CapBnd:", b"CapAmb:",
           b"NoNewPrivs:", b"Seccomp:")


class Plain:
    """The port Names that changes no name."""

    def path(self, text: bytes) -> bytes:
        """Return the path itself."""
        return text

    def words(self, text: str) -> str:
        """Return the sentence itself."""
        return text

    def options(self, _: bytes, text: bytes) -> bytes:
        """Return the options themselves."""
        return text

    def text(self, name: str, text: bytes) -> bytes:
        """Return the text; of status only the lines that say who the process is."""
        return status(text) if name == "status" else text

    def doubt(self, text: str) -> str:
        """Return the sentence itself."""
        return text

    def digest(self, value: bytes) -> bytes:
        """Return the digest itself."""
        return value


def status(text: bytes) -> bytes:
    """Return the lines of status that say who the process is. See proc_pid_status(5)."""
    return b"".join([line + b"\n" for line in text.split(b"\n") if line.startswith(_STATUS)])
