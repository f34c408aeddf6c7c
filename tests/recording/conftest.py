"""What the recordings of kernels came to, printed at the end."""

from tests.recording.test_kernels import agreement

COLUMNS = [f"{question} {verdict}" for question in ("path", "state", "backing")
           for verdict in ("right", "lacking", "unknown", "wrong")]


def pytest_terminal_summary(terminalreporter):
    """Print how many mappings of each kernel were answered rightly, and what the others' recordings lack."""
    if agreement:
        terminalreporter.write_line(f"{'kernel':16}" + "".join(f"{column:>16}" for column in COLUMNS))
    lacking = {}
    for kernel, counts in agreement.items():
        terminalreporter.write_line(f"{kernel:16}" + "".join(f"{counts[column]:16}" for column in COLUMNS))
        for hole in (key for key in counts if isinstance(key, tuple)):
            lacking.setdefault(hole, {})[kernel] = counts[hole]
    for (question, holes), kernels in sorted(lacking.items()):
        terminalreporter.write_line(f"{question} lacks one of: {'; '.join(holes)}")
        terminalreporter.write_line("    " + ", ".join(f"{kernel} {number}" for kernel, number in kernels.items()))
