"""Which scenes are run in every kernel: of each family the one that differs most between kernels."""

from tests.kernels.work import Scenes

_OVERLAY, _GUEST = "tests/overlay/test_", "tests/kernels/guest/"
_MIX = f"{_OVERLAY}filesystems.py::test_no_answer_is_wrong_on_this_mix"
_DATA_ONLY = f"{_OVERLAY}data_only.py::test_data_only_layers_hold_the_bytes"
# Each with what a kernel may lack that it needs, in the words of guest/facts.py.
NEEDS = {
    f"{_GUEST}shipped.py::test_the_packed_command_answers_what_is_true": "",
    f"{_GUEST}shipped.py::test_the_packed_command_knows_which_proofs_the_kernel_has": "",
    f"{_GUEST}shadow.py::test_no_history_ends_in_a_wrong_answer": "",
    f"{_MIX}[two ext4 under tmpfs xino=on]": "",
    f"{_MIX}[btrfs subvolumes]": "",
    f"{_MIX}[read-only squashfs and erofs]": "",
    f"{_OVERLAY}nested.py::test_no_answer_is_wrong_about_an_overlay_on_overlays[True-False-True-ext4]": "",
    f"{_OVERLAY}namespaces.py::test_a_chroot_with_decoys_at_the_shown_names[ext4]": "",
    f"{_OVERLAY}namespaces.py::test_a_file_from_another_mount_namespace[tmpfs]": "",
    f"{_OVERLAY}detached.py::test_a_lazy_unmount[tmpfs-True-decoys]": "",
    f"{_OVERLAY}fds.py::test_no_answer_is_wrong_about_what_a_descriptor_reads[tmpfs-]": "",
    f"{_OVERLAY}hard_links.py::test_hard_links_of_a_lower_are_told_apart[ext4-written-,index=on]": "",
    f"{_OVERLAY}meddling.py::test_no_answer_is_wrong_when_a_layer_is_meddled_with[lower-then written-"
    "a_file_is_renamed_and_a_copy_takes_its_place-ext4]": "",
    f"{_OVERLAY}meddling.py::test_no_answer_is_wrong_when_a_layer_is_meddled_with[upper--a_file_is_renamed-tmpfs]": "",
    f"{_OVERLAY}samefs.py::test_a_file_that_was_moved_and_written_is_not_taken_for_another[tmpfs]": "userxattr",
    f"{_DATA_ONLY}[,redirect_dir=on,metacopy=on-False-::]": "data-only",
    f"{_DATA_ONLY}[,redirect_dir=on,metacopy=on-False-datadir+]": "datadir+",
}
EVERY = Scenes(tuple(NEEDS), {scene: need for scene, need in NEEDS.items() if need})
