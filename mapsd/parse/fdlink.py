"""The texts of the links in /proc/PID/fd: a path, or for what has no name its kind. See proc_pid_fd(5)."""

_KINDS = ((b"pipe:[", "pipe"), (b"socket:[", "socket"), (b"anon_inode:", "anon_inode"))


def kind_of(text: bytes) -> str | None:
    """Return the kind of what has no name in any filesystem, None for a path.

    A path begins with a slash, also one that cannot be reached from the reader's root (fs/d_path.c, d_path).
    """
    if text.startswith(b"/"):
        return None
    return next((kind for begin, kind in _KINDS if text.startswith(begin)), "other")
