"""Build ids tell a lower file and its upper copy apart where the copy is another build."""

from mapsd.model import Evidence, Refused, Vma
from mapsd.ports import BuildIds, ByVma, InRoot
from mapsd.resolve.candidates import Candidates
from mapsd.resolve.comparison import lower_finding
from mapsd.resolve.finding import Finding


def by_build_ids(vma: Vma, path: bytes | None, found: Candidates, build_ids: BuildIds) -> Finding | None:
    """Return the finding where the mapped file's build id is that of exactly one of the two candidates.

    *path* is the user path of a live name, None for any other. That the mapping holds the upper copy is then known,
    but not that the file at its name in the upper layer is that copy: a copy of it has the same id.
    """
    lower, upper = found.lower, found.upper
    if path is None or found.copy != "yes" or found.others or not (found.sure or found.settled):
        return None
    if lower is None or upper is None or lower.ref is None or upper.ref is None:
        return None
    ids = [build_ids.of(ref) for ref in (lower.ref, upper.ref)]
    if ids[0] == ids[1] and isinstance(ids[0], bytes):
        return None
    # The mapping last: by then the kernel finds in memory what it reads. And no candidate may have changed meanwhile.
    asked = [*ids, build_ids.mapped(vma)] if all(isinstance(one, bytes) for one in ids) else ids
    refused = next((one for one in asked if isinstance(one, Refused)), None)
    if refused is not None:
        return Finding(None, "none", None, (Evidence("build-id", refused.reason),), refused.reason)
    seen = Evidence("build-id", "the lower file's is {}, the upper file's {}, the mapping's {}".format(
        *(one.hex() for one in asked if isinstance(one, bytes))))
    mapped = asked[2] if isinstance(asked[2], bytes) else None
    if mapped not in ids or [build_ids.of(ref) for ref in (lower.ref, upper.ref)] != ids:
        return Finding(None, "none", None, (seen,), "the build ids do not tell the two files apart", build_id=mapped)
    now = _now(vma, path, build_ids)
    if mapped == ids[0]:
        known = lower_finding(found, lower, "build-id", False if now == ids[1] else None, (seen,), "same")
        return known._replace(build_id=mapped)
    return Finding(found.unlinked, "build-id", True if now == ids[1] else None, (seen,), rule="same", build_id=mapped)


def _now(vma: Vma, path: bytes, build_ids: BuildIds) -> bytes | Refused:
    now = build_ids.of(ByVma(vma.start, vma.end))
    return now if isinstance(now, bytes) else build_ids.of(InRoot(path))
