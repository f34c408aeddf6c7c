"""Columns of a mapping: where it is, and what the kernel shows of it."""

from mapsd.views.columns.row import Column

OF_MAPPINGS = (
    Column("ADDRESS", "first address of the mapping and the one after its last, as in maps",
           lambda row: f"{row.mapping.vma.start:x}-{row.mapping.vma.end:x}", "mapping"),
    Column("START", "its first address", lambda row: f"{row.mapping.vma.start:#x}", "mapping"),
    Column("END", "the address after its last", lambda row: f"{row.mapping.vma.end:#x}", "mapping"),
    Column("SIZE", "bytes of address space; with --files of all mappings of the file",
           lambda row: str(sum(one.vma.end - one.vma.start for one in row.mappings)), "mapping"),
    Column("PERMS", "its permissions, as in maps", lambda row: row.mapping.vma.perms, "mapping"),
    Column("OFFSET", "bytes from the start of the file", lambda row: str(row.mapping.vma.offset), "mapping"),
    Column("MAPPINGS", "how many mappings the row stands for", lambda row: str(len(row.mappings)), "mapping"),
    Column("KIND", "file, anonymous, heap, stack, vdso, vvar, vsyscall, memfd, shm, device or other",
           lambda row: row.mapping.kind),
    Column("SHOWN", "the path as the kernel printed it: a claim", lambda row: row.mapping.vma.name, long=True),
    Column("SHOWN_DEVICE", "the device as the kernel printed it", lambda row: str(row.mapping.vma.device)),
    Column("SHOWN_INODE", "the inode as the kernel printed it", lambda row: str(row.mapping.vma.inode)),
)
