"""What the kernel's own structures say of a mapping, as a backing file: the last word where names and pages are silent.

Since Linux 6.7 the file that an overlay maps lies on the overlay's own mount of the layer, so the layer, the path in
it and the inode are known whatever became of their names (def3ae83da02 "fs: store real path instead of fake path in
backing file f_path").
"""

from mapsd.light import TYPE_CHECKING, Iterator
from mapsd.model import Backing, Evidence, FileFacts, Layer, LayerDir, Refused, Vma
from mapsd.model.held import Held, LayerHeld
from mapsd.ports import ByVma, InLayer, InRoot
from mapsd.resolve.comparison import needs_to_open
from mapsd.resolve.finding import Finding, contradiction, disagree
from mapsd.resolve.layerfile import backing_of, filesystem_of
from mapsd.resolve.mounts import is_below, join, rest
from mapsd.resolve.overlays import OVERLAY
from mapsd.resolve.scene import Place, Scene

if TYPE_CHECKING:
    from mapsd.resolve.vma import Resolver

_ATTRIBUTES = "trusted.overlay."


def completed(vma: Vma, place: Place, finding: Finding, resolver: "Resolver") -> Finding:
    """Return a finding with what is missing in it, as far as the kernel's structures tell."""
    vm_files = resolver.means.vm_files
    if vm_files is None or not _lacking(finding, place, demanded=resolver.means.demanded):
        return finding
    held = vm_files.of(vma)
    if isinstance(held, Refused):
        return _not_told(finding, held)
    found = _found(vma, held, place, resolver)
    if found is None:
        return finding
    if disagree(finding.backing, found.backing):
        return contradiction(finding, found)
    merged = _merged(finding, found)
    if place.verdict != "live" or finding.agrees is not None:
        return merged._replace(agrees=finding.agrees)
    said = vm_files.compare(vma, ByVma(vma.start, vma.end))
    if said[0] == "silent":
        said = vm_files.compare(vma, InRoot(place.path)) if place.path else said
    if said[0] == "silent":
        reason = f"what the path opens now cannot be compared: {said[1]}"
        return merged._replace(reason=reason, needs=needs_to_open(said[1]))
    return merged._replace(agrees=said[0] == "same")


def _lacking(finding: Finding, place: Place, *, demanded: bool) -> bool:
    backing = finding.backing
    if backing is None or (place.verdict == "live" and finding.agrees is None):
        return True
    if not backing.overlaid:
        return False
    known = backing.path, backing.device, backing.inode, backing.layer_role, backing.layer_index
    return None in known or (demanded and finding.proof != "bpf")


def _not_told(finding: Finding, refused: Refused) -> Finding:
    if finding.backing is not None:
        return finding
    reason = "; ".join(dict.fromkeys(part for part in (finding.reason, refused.reason) if part))
    needs = (*finding.needs, *refused.needs.split(","))
    return finding._replace(reason=reason, needs=tuple(dict.fromkeys(filter(None, needs))))


def _found(vma: Vma, held: Held, place: Place, resolver: "Resolver") -> Finding | None:
    layer = held.layer
    if layer is None:
        return _itself(held)
    if layer.layers and layer.position is None:
        # Page caches that several erofs files share stand for none of them alone.
        return None
    which = "a layer" if layer.position is None else f"layer {layer.position}"
    seen = Evidence("bpf", f"the kernel maps inode {held.inode} of device {held.device}, {which} of the overlay")
    return Finding(_backing(vma, held, layer, place, resolver), "bpf", None, (seen,))


def _itself(held: Held) -> Finding | None:
    """Return the finding of a file that stands for no other; its filesystem may be in no mount table."""
    if held.fs_type == OVERLAY or held.fs_type.startswith(b"fuse"):
        return None
    seen = Evidence("bpf", f"the kernel maps inode {held.inode} of device {held.device} itself")
    return Finding(Backing(None, held.device, held.inode, held.fs_type), "bpf", True, (seen,))


def _backing(vma: Vma, held: Held, layer: LayerHeld, place: Place, resolver: "Resolver") -> Backing:
    role = _role(layer, place, resolver)
    bare = Backing(None, held.device, held.inode, held.fs_type, layer.overlay, role, layer.position)
    if layer.root.gone or not layer.root.whole:
        return bare
    for directory in _directories(layer, place, resolver):
        bare = bare._replace(layer_path=bare.layer_path or directory.path)
        named = _named(vma, held, layer, directory, resolver)
        if named is not None:
            return bare._replace(path=named, layer_path=directory.path)
    return bare


def _role(layer: LayerHeld, place: Place, resolver: "Resolver") -> str | None:
    if layer.position is not None:
        below = layer.position >= layer.layers - layer.data_layers
        return "upper" if layer.position == 0 else "data" if below else "lower"
    if not layer.read_only:
        return "upper"
    # The overlay's own mounts of lower layers are read-only (fs/overlayfs/super.c, ovl_get_layers).
    mount = place.mount
    known = mount is not None and mount.fs_type == OVERLAY and not resolver.overlay(mount).options.data
    return "lower" if known else None


def _directories(layer: LayerHeld, place: Place, resolver: "Resolver") -> Iterator[LayerDir]:
    """Yield the directories that are the layer's own: those of the overlay's text, then those below other mounts."""
    scene, mount = resolver.scene, place.mount
    layers = resolver.overlay(mount).guessed() if mount is not None and mount.fs_type == OVERLAY else ()
    for one in layers:
        if one.dir is not None and _is(one.dir, layer, scene):
            yield one.dir
    for host in scene.host.of_device(layer.device):
        if is_below(layer.root.path, host.root):
            path = b"/" + join(host.mount_point, rest(layer.root.path, host.root))
            yield from (one for one in scene.machine.directories(path, ()) if _is(one, layer, scene))


def _is(directory: LayerDir, layer: LayerHeld, scene: Scene) -> bool:
    return (filesystem_of(directory.facts, scene)[0], directory.facts.inode) == (layer.device, layer.root_inode)


def _named(vma: Vma, held: Held, layer: LayerHeld, directory: LayerDir, resolver: "Resolver") -> bytes | None:
    """Return a path of the mapped file: the name in its layer, else another link, where it opens the very inode."""
    machine, vm_files = resolver.scene.machine, resolver.means.vm_files
    if vm_files is None or not held.nlink:
        return None
    known = layer.file.whole and not layer.file.gone
    paths = [layer.file.path.strip(b"/")] if known else [
        path for path, _ in machine.search(directory, None, held.inode, _ATTRIBUTES)]
    for path in paths:
        found = machine.entry(directory, path, _ATTRIBUTES)
        if not isinstance(found, FileFacts) or found.inode != held.inode:
            continue
        if vm_files.compare(vma, InLayer(directory, path))[0] == "same":
            return backing_of(found, Layer("lower", 0, b"", directory), resolver.scene).path
    return None


def _merged(finding: Finding, found: Finding) -> Finding:
    """Return a finding whose gaps are filled; its own proof stays where it had named the file."""
    evidence = (*finding.evidence, *found.evidence)
    old, new = finding.backing, found.backing
    if old is None or old.inode is None or new is None:
        return found._replace(evidence=evidence, possible=finding.possible, build_id=finding.build_id,
                              nested=finding.nested)
    filled = old._replace(
        path=old.path or new.path, device=old.device or new.device, fs_type=old.fs_type or new.fs_type,
        layer_role=old.layer_role or new.layer_role, layer_path=old.layer_path or new.layer_path,
        layer_index=old.layer_index if old.layer_index is not None else new.layer_index)
    return finding._replace(backing=filled, evidence=evidence, reason=None, needs=())
