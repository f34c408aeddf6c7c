"""What the recordings of kernels came to, printed at the end."""

from tests.recording.test_kernels import agreement

COLUMNS = [f"{question} {verdict}" for question in ("path", "state", "backing")
           for verdict in ("right", "unknown", "wrong")]


def pytest_terminal_summary(terminalreporter):
    """Print how many mappings of each kernel were answered rightly."""
    if agreement:
        terminalreporter.write_line(f"{'kernel':16}" + "".join(f"{column:>17}" for column in COLUMNS))
    for kernel, counts in agreement.items():
        terminalreporter.write_line(f"{kernel:16}" + "".join(f"{counts[column]:17}" for column in COLUMNS))
