"""The options of an overlay mount in words. See Documentation/filesystems/overlayfs.rst and ovl_show_options()."""

from mapsd.light import Iterator, Mapping
from mapsd.model import OverlayOptions
from mapsd.model.layers import Switch

# The parameters of the overlay module (/sys/module/overlay/parameters) that are on or off; one that is not there
# cannot be read.
Defaults = Mapping[str, bool]

_WORDS = {
    "rw": {"": "the overlay may be written to, if it has an upper layer"},
    "ro": {"": "the overlay is read-only"},
    "redirect_dir": {
        "on": "a directory may be renamed: a redirect leads to its old name in the layers below",
        "follow": "redirects of renamed directories are followed, and none are made",
        "nofollow": "redirects of renamed directories are neither followed nor made",
        "off": "no redirects of renamed directories are made"},
    "metacopy": {
        "on": "a change of owner, mode or times copies only metadata up, the data stays in the lower layer",
        "off": "every change copies the whole file up"},
    "index": {
        "on": "a file with several names stays one file when it is copied up",
        "off": "a file with several names is copied up one name at a time, which breaks the links"},
    "nfs_export": {
        "on": "a file can be opened by the overlay's handle of it, as an NFS server does",
        "off": "no file can be opened by the overlay's handle of it"},
    "xino": {
        "on": "inode numbers say the layer's filesystem in their high bits, so that they are unique and stay",
        "auto": "inode numbers say the layer's filesystem in their high bits, where these are free",
        "off": "inode numbers are those of the layers, and may be equal for files of two filesystems"},
    "volatile": {"": "nothing is synced to the upper layer: after a crash it is worthless",
                 "off": "what is written is synced to the upper layer"},
    "fsync": {"volatile": "nothing is synced to the upper layer: after a crash it is worthless"},
    "userxattr": {"": "its attributes are user.overlay.*, as in a user namespace",
                  "off": "its attributes are trusted.overlay.*, which only CAP_SYS_ADMIN sees"},
    "uuid": {
        "on": "the overlay has a UUID of its own, which stays",
        "auto": "the overlay has a UUID of its own where its upper layer can keep it",
        "null": "the overlay has no UUID of its own",
        "off": "the overlay has no UUID of its own, and those of the layers' filesystems do not count"},
    "verity": {
        "on": "where a metacopy has a digest, the data must have that fs-verity digest",
        "require": "every metacopy must have a digest, and the data that fs-verity digest",
        "off": "digests of metacopies are not looked at"},
    "default_permissions": {"": "the kernel checks permissions by owner and mode"},
    "override_creds": {"": "the layers are used with the rights of who mounted the overlay"},
    "nooverride_creds": {"": "the layers are used with the rights of whoever uses the overlay"},
}
_BY_PARAMETER = {"metacopy": "metacopy", "index": "index", "nfs_export": "nfs_export"}


def switches(options: OverlayOptions, defaults: Defaults) -> tuple[Switch, ...]:
    """Return the options that the kernel printed, in its order, then those that it prints where they differ."""
    printed = tuple(Switch(name, value, True, _meaning(name, value)) for name, value in options.flags if name)
    names = {one.name for one in printed}
    return printed + tuple(one for one in _unprinted(options, defaults) if one.name not in names)


def _meaning(name: str, value: str) -> str | None:
    return _WORDS.get(name, {}).get(value)


def _unprinted(options: OverlayOptions, defaults: Defaults) -> Iterator[Switch]:
    """Yield what holds of options that are not printed: when it prints, the kernel compares with its defaults."""
    yield _default("redirect_dir", _redirects(defaults))
    for name, parameter in _BY_PARAMETER.items():
        yield _default(name, _on(defaults.get(parameter), "on"))
    xino = _on(defaults.get("xino_auto"), "auto")
    yield Switch("xino", xino, False, _of_xino(xino))
    yield from (_default(name, "off") for name in ("userxattr", "verity"))
    yield _default("uuid", None)
    if not options.flag("fsync"):
        yield _default("volatile", "off")


def _default(name: str, value: str | None) -> Switch:
    return Switch(name, value, False, None if value is None else _meaning(name, value))


def _on(default: bool | None, word: str) -> str | None:
    return None if default is None else word if default else "off"


def _redirects(defaults: Defaults) -> str | None:
    if defaults.get("redirect_dir"):
        return "on"
    always = defaults.get("redirect_always_follow")
    return None if None in {defaults.get("redirect_dir"), always} else "follow" if always else "nofollow"


def _of_xino(value: str | None) -> str:
    # It is not printed either where it makes no difference.
    known = "" if value is None else f"{_meaning('xino', value)}; "
    return f"{known}it makes no difference where all layers are on one filesystem"
