"""What a layer's entry is to whoever merges the layers, where nobody mounted them: by the attributes that it has.

*form* is that of mapsd.model.disks.Stack. Overlayfs reads the attributes of one family and no others (fs/overlayfs/
overlayfs.h, ovl_xattr_table). fuse-overlayfs (main.c: get_whiteout_name, is_directory_opaque) also knows `.wh.NAME`
beside a name, and `.wh..wh..opq` inside a directory.
"""

from mapsd.light import Sequence
from mapsd.model import Absent, FileFacts, Found, Layer, Refused
from mapsd.resolve.lookup import Ask

_DECIDE = ("opaque", "redirect", "metacopy", "whiteout")
_FAMILIES = {"trusted": "trusted.overlay.", "user": "user.overlay."}
_WHITEOUT, _OPAQUE = b".wh.", b".wh..wh..opq"
OTHERS = "it has an attribute of overlayfs of another family: who merged the layers is not sure"
UNFOLLOWED = "it leads to another name or to other data, which an overlay with user attributes refuses to follow"
BY_ATTRIBUTE = "an attribute makes it a whiteout for kernels since Linux 6.7 only"
BOTH = "the layer has the name, and a whiteout of it"
MOVED = "fuse-overlayfs merges it with directories of another name"
TYPED = "what kind of file it is is in an attribute of fuse-overlayfs"


def marked(form: str, ask: Ask) -> Ask:
    """Return what asks for entries as the overlay takes them, of *ask*, which gives attributes by their whole names."""
    if form == "plain":
        return lambda layer, path: _plain(ask(layer, path))
    if form in _FAMILIES:
        return lambda layer, path: _overlaid(ask(layer, path), form)
    return lambda layer, path: _served(ask, layer, path, trusted=form == "fuse-trusted")


def family(form: str) -> tuple[str, ...]:
    """Return how the names of the attributes begin that a form reads in its layers, none where it reads none.

    A copy may keep `user.` and leave out `trusted.`, as GNU tar does unless it is told otherwise.
    """
    return {"trusted": ("trusted.overlay.",), "fuse-trusted": ("trusted.overlay.",), "user": ("user.overlay.",),
            "fuse-user": ("user.fuseoverlayfs.", "user.overlay.")}.get(form, ())


def needs_trusted(form: str) -> bool:
    """Return whether a form's attributes are seen with CAP_SYS_ADMIN only."""
    return form in {"trusted", "fuse-trusted"}


def _plain(found: Found) -> Found:
    if not isinstance(found, FileFacts):
        return found
    return found._replace(kind="device" if found.kind == "whiteout" else found.kind, xattrs=())


def _overlaid(found: Found, form: str) -> Found:
    if not isinstance(found, FileFacts):
        return found
    if found.kind not in {"file", "directory"}:
        return found._replace(xattrs=())
    own = _of(found, _FAMILIES[form])
    others = [name for other, prefix in _FAMILIES.items() if other != form for name, _ in _of(found, prefix)]
    if any(name in _DECIDE for name in others):
        return Refused(OTHERS)
    names = {name for name, _ in own}
    if "whiteout" in names and found.kind == "file" and not found.size:
        return Refused(BY_ATTRIBUTE)
    if form == "user" and names & {"redirect", "metacopy"}:
        return Refused(UNFOLLOWED)
    return found._replace(xattrs=own)


def _of(found: FileFacts, prefix: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((name.removeprefix(prefix), value) for name, value in found.xattrs if name.startswith(prefix))


def _served(ask: Ask, layer: Layer, path: bytes, *, trusted: bool) -> Found:
    head, mark, name = path.rpartition(b"/")
    if name.startswith(_WHITEOUT):
        return Absent()
    found = ask(layer, path)
    whiteout = ask(layer, head + mark + _WHITEOUT + name) if name else Absent()
    if isinstance(whiteout, Refused) or isinstance(found, Refused):
        return found if isinstance(found, Refused) else whiteout
    if isinstance(whiteout, FileFacts):
        return whiteout._replace(kind="whiteout", xattrs=()) if isinstance(found, Absent) else Refused(BOTH)
    if isinstance(found, Absent):
        return found
    if _is_typed(found):
        return Refused(TYPED)
    if found.kind != "directory":
        return found._replace(xattrs=())
    inside = ask(layer, path + b"/" + _OPAQUE if path else _OPAQUE)
    if isinstance(inside, Refused):
        return inside
    values = dict(found.xattrs)
    # The name that it has in the layers below: of a file only its inode number hangs on that.
    origin = values.get("user.fuseoverlayfs.origin")
    if origin is not None and origin.rstrip(b"\0").strip(b"/") != path:
        return Refused(MOVED)
    listed: Sequence[str] = ("user.fuseoverlayfs.opaque", "user.overlay.opaque")
    opaque = isinstance(inside, FileFacts) or any(values.get(one) == b"y" for one in listed)
    if not opaque and values.get("trusted.overlay.opaque") == b"y":
        if not trusted:
            return Refused(OTHERS)
        opaque = True
    return found._replace(xattrs=(("opaque", b"y"),) if opaque else ())


def _is_typed(found: FileFacts) -> bool:
    # UID:GID:MODE, and since 1.13 :TYPE.
    texts = [value for name, value in found.xattrs if name.endswith(".override_stat")]
    return any(text.split(b":")[3:4] not in ([], [b"file"], [b"dir"]) for text in texts)
