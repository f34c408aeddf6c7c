"""Columns of names: what opens the file."""

from mapsd.views.columns.row import Column, Row, field
from mapsd.views.render import escaped


def _user_path(row: Row) -> str:
    mapping = row.mapping
    if mapping.state is None:
        return f"[{mapping.kind}]"
    return f"? {escaped(mapping.vma.name)}" if mapping.user_path is None else escaped(mapping.user_path)


OF_NAMES = (
    Column("USER_PATH", "what the process calls the file; in a table `? ` and the kernel's claim where that is not "
           "established, and the kind of what is no file", lambda row: row.mapping.user_path, "file", long=True,
           cell=_user_path),
    Column("HOST_PATH", "a path of yours that opens what the user path opens", lambda row: row.mapping.host_path,
           long=True),
    Column("OPENABLE_PATH", "the same through /proc", lambda row: row.mapping.openable_path, long=True),
    Column("MOUNT", "where the mount of the user path is", field("mount", "mount_point"), long=True),
    Column("MOUNT_ID", "its id", field("mount", "id")),
    Column("MOUNT_DEVICE", "its device", field("mount", "device")),
    Column("FS_TYPE", "its filesystem", field("mount", "fs_type")),
)
