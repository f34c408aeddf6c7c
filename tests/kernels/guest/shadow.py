"""Random histories against the shadow model, of the kinds of overlays that the booted kernel has."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

from tests.overlay.test_histories import KINDS, Histories, grounds

__all__ = ["grounds"]
HISTORIES, STEPS = 4, 16


def test_no_history_ends_in_a_wrong_answer(lab, mapper, grounds, facts):
    kinds = sorted(name for name in KINDS if facts.get(name, True))

    class Here(Histories):
        @initialize(kind=st.sampled_from(kinds), ending=st.sampled_from(["", "detach", "chroot"]))
        def start(self, kind, ending):
            super().start(kind, ending)

        def check_backing(self, mapping, found, about, whole):
            # Where the kernel itself names the file, it is known also where its layer is not.
            known = completed(found, mapping.data) if facts["kernel-inode"] else found
            super().check_backing(mapping, known, about, whole and facts["bpf"])

    Here.lab, Here.mapper, Here.grounds = lab, mapper, grounds
    rules = settings(max_examples=HISTORIES, stateful_step_count=STEPS, deadline=None, database=None,
                     suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    run_state_machine_as_test(Here, settings=rules)


def completed(found, data):
    """Return an answer with the true layer in place of one that is not known."""
    if found["backing"] is None:
        return found
    truth, told = {"role": data.role, "index": data.index}, found["backing"]["layer"] or {"role": None, "index": None}
    layer = {name: truth.get(name) if value is None else value for name, value in told.items()}
    return {**found, "backing": {**found["backing"], "layer": layer}}
