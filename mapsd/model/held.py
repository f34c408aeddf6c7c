"""What the kernel's own structures say of a mapping: the nouns of the BPF iterator."""

from mapsd.light import NamedTuple
from mapsd.model import DeviceId


class Walked(NamedTuple):
    """A path as the kernel's dentries spell it, from *root* down.

    *whole* says that the walk from the file upwards ended at that root, *gone* that a name on it is unlinked, *cut*
    that the walk ended early, since the path is too long.
    """

    path: bytes
    whole: bool
    gone: bool
    cut: bool = False


class LayerHeld(NamedTuple):
    """Where a backing file lies in its overlay, by the mount that the overlay made of its layer (Linux 6.7).

    *root* and *root_inode* are the layer's directory, its path from the root of its filesystem; *file* is the path
    below it. *overlay* says that the user's file is an overlay's; *position* counts as the contract's `index`, and is
    None where the file lies in none of its layers, or (*layers* 0) where the overlay module does not describe itself;
    *outer* is the layer of the outer overlay that is the inner one.
    """

    device: DeviceId
    root_inode: int
    root: Walked
    file: Walked
    read_only: bool
    overlay: bool
    position: int | None
    outer: int | None
    layers: int
    data_layers: int


class Held(NamedTuple):
    """What the kernel's own structures say that one mapping holds.

    *key* is the same for two mappings of one inode, and says nothing else. *user* is the path, and *user_device*,
    *user_inode*, *mount_id* and *namespace* the file and the mount, by which the mapping was made; a namespace of 0:
    the mount has left every one, and one below MNT_NS_INIT_INO: it was in none that a process can be in.
    *layer* is None for a file that stands for no other.
    """

    start: int
    end: int
    offset: int
    key: int
    device: DeviceId
    inode: int
    nlink: int
    fs_type: bytes
    user: Walked
    user_device: DeviceId
    user_inode: int
    mount_id: int
    namespace: int
    layer: LayerHeld | None
