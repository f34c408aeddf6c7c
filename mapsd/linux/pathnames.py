"""How the kernel takes a path apart. See path_resolution(7) and <linux/limits.h>."""

LINKS = 40  # MAXSYMLINKS, include/linux/namei.h
PATH_MAX = 4096  # bytes, with the NUL at the end


def names(path: bytes) -> list[bytes]:
    """Return the names of a path, without those that stay where they are."""
    return [name for name in path.split(b"/") if name not in {b"", b"."}]
