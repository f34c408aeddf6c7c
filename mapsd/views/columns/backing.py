"""Columns of the file that holds the bytes, and of its layer."""

from mapsd.light import Callable
from mapsd.views.columns.row import Column, Row, Value, field
from mapsd.views.render import escaped


def _backing(row: Row) -> str:
    mapping, backing = row.mapping, row.mapping.backing
    if mapping.state is None:
        return "-"
    if backing is None:
        return f"? {mapping.reason}"
    if backing.path is not None:
        return escaped(backing.path)
    return f"(no name) {backing.device or '?'} inode {'?' if backing.inode is None else backing.inode}"


def _layer(row: Row) -> str | None:
    backing = row.mapping.backing
    if backing is None or not backing.overlaid:
        return None
    if backing.layer_role is None:
        return "?"
    return backing.layer_role + ("" if backing.layer_index is None else f":{backing.layer_index}")


def _through(row: Row) -> str | None:
    crossed = row.mapping.backing.through if row.mapping.backing is not None else ()
    return " ".join(f"{one.device or '?'}/{'?' if one.inode is None else one.inode}" for one in crossed) or None


def _metadata(row: Row) -> Value:
    backing = row.mapping.backing
    return backing.metadata.path if backing is not None and backing.metadata is not None else None


def _image_layer(name: str) -> Callable[[Row], Value]:
    def value(row: Row) -> Value:
        backing = row.mapping.backing
        found = None if backing is None or backing.image_layer is None else getattr(backing.image_layer, name)
        return None if found is None else str(found)
    return value


OF_BACKINGS = (
    Column("BACKING", "the file that holds the bytes; in a table what identifies it where it has no path, and `? ` and "
           "the reason where it is not established", field("backing", "path"), "file", long=True, cell=_backing),
    Column("BACKING_DEVICE", "its device", field("backing", "device")),
    Column("BACKING_INODE", "its inode", field("backing", "inode")),
    Column("BACKING_FS_TYPE", "its filesystem", field("backing", "fs_type")),
    Column("LAYER", "its layer, upper, lower or data, and which (0 the upper, 1 the topmost lower); `?` where that is "
           "not established, nothing for a file on no overlay", _layer),
    Column("LAYER_PATH", "the directory of its layer", field("backing", "layer_path"), long=True),
    Column("POSITION", "which layer of the image that is, counted from the base, 1", _image_layer("position")),
    Column("DIFF_ID", "the digest of the layer's files", _image_layer("diff_id"), long=True),
    Column("DIGEST", "the digest that a registry has the layer by", _image_layer("digest"), long=True),
    Column("STEP", "the step of the image's build that made the layer", _image_layer("step"), long=True),
    Column("METADATA", "under metacopy, the file that holds the metadata", _metadata, long=True),
    Column("THROUGH", "under nested overlays, device/inode in each overlay crossed, outermost first", _through),
)
