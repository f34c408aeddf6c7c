"""A server behind a filesystem that may be silent."""

import fcntl
import os

from mapsd.linux import views

HIGH = 1500  # select(2) takes descriptors below 1024


def test_a_server_is_probed_also_where_very_many_descriptors_are_open(monkeypatch, tmp_path):
    made = os.pipe

    def high() -> tuple[int, int]:
        low = made()
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH) for fd in low]
        for fd in low:
            os.close(fd)
        return moved[0], moved[1]
    monkeypatch.setattr(os, "pipe", high)
    assert views._answers(os.fsencode(tmp_path))
    monkeypatch.setattr(views, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(views, "_PROBE", "import time; time.sleep(60)")
    assert not views._answers(os.fsencode(tmp_path))
