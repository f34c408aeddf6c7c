"""Columns of what was found out, and how surely."""

from mapsd.light import Callable
from mapsd.model import Answer
from mapsd.views.columns.row import Column, Row, Value
from mapsd.views.render import confidence


def _of_file(value: Callable[[Answer], Value]) -> Callable[[Row], Value]:
    return lambda row: None if row.mapping.state is None else value(row.mapping)


OF_FINDINGS = (
    Column("STATE", "whether path and bytes agree: current, copied-up, replaced, deleted, covered, detached, "
           "unreachable or unknown", lambda row: row.mapping.state),
    Column("CONFIDENCE", "how sure the backing file is: proven, inferred or unknown", _of_file(confidence)),
    Column("PROOF", "the observation behind it: kernel-inode, bpf, page-frame, build-id, sole-candidate, lookup or "
           "none", _of_file(lambda mapping: mapping.proof)),
    Column("EVIDENCE", "every observation that was made",
           lambda row: "; ".join(f"{seen.kind}: {seen.detail}" for seen in row.mapping.evidence) or None, long=True),
    Column("BUILD_ID", "of the mapped file, where the kernel was asked for it",
           lambda row: row.mapping.build_id.hex() if row.mapping.build_id else None),
    Column("REASON", "what stood in the way of what is not established", lambda row: row.mapping.reason, long=True),
    Column("NEEDS", "what would settle it", lambda row: ",".join(row.mapping.needs) or None),
)
