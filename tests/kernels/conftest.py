"""How the answers in booted kernels agree with what is true, printed at the end."""

from tests.kernels.test_kernels import tables


def pytest_terminal_summary(terminalreporter):
    """Print a table for each kernel."""
    for text in tables.values():
        terminalreporter.write_line(text)
