"""What was met in the layers, as far as the file that the kernel opens bears it out."""

from mapsd.model.layers import Met, Winner

OTHER = "the layers and the overlay disagree about the name: somebody changes the layers, or another takes their place"


def labelled(met: tuple[Met, ...], winner: Winner) -> tuple[Met, ...]:
    """Return what was met, without what the winner does not bear out."""
    if winner.backing is None and winner.proof != "none":
        return met
    taken = {number for number, one in enumerate(met) if one.named and one.by is None
             and one.what in {"opens", "metacopy", "merged"}}
    if winner.backing is None:
        return doubted(met, taken, winner)
    ends = {number for number in taken if met[number].what == "opens"}
    same = {number for number, one in enumerate(met) if is_winner(one, winner)}
    if ends and ends <= same:
        return met
    if not ends and len(same) == 1 and not any(met[number].what == "hidden" for number in same):
        # Attributes that cannot be seen left it open, and the kernel's word settles it.
        return tuple(one._replace(what="opens", reason="", needs="") if number in same else one
                     for number, one in enumerate(met))
    hidden = {number for number, one in enumerate(met) if one.what == "hidden"}
    return doubted(met, taken | hidden, Winner(None, "none", (), OTHER))


def is_winner(one: Met, winner: Winner) -> bool:
    """Return whether an entry is the very file that wins."""
    backing, file = winner.backing, one.file
    return one.named and backing is not None and file is not None and file.inode is not None and (
        (file.device, file.inode) == (backing.device, backing.inode)) and one.what != "whiteout"


def doubted(met: tuple[Met, ...], taken: set[int], winner: Winner) -> tuple[Met, ...]:
    """Return what was met where it is not known whether the overlay takes these: nor is what they would hide.

    *taken* are places, *winner* has the reason.
    """
    reason, needs = winner.reason or "", ",".join(winner.needs)
    return tuple(one._replace(what="unknown", reason=one.reason or reason, needs=one.needs or needs)
                 if number in taken or (one.what == "hidden" and one.by in taken) else one
                 for number, one in enumerate(met))
