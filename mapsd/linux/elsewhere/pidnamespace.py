"""In which pid namespace a procfs numbers processes. See pid_namespaces(7), proc_pid_status(5)."""


def numbers_as_ours(procfs: bytes) -> bool:
    """Return whether a procfs gives every process the number that it has in our own pid namespace.

    Its NSpid line lists our numbers from the procfs's pid namespace down to our own: there is only one where both are
    the same. That two numbers are equal would say nothing.
    """
    try:
        with open(procfs + b"/self/status", "rb") as file:
            numbers = [line.split()[1:] for line in file if line.startswith(b"NSpid:")]
    except OSError:
        # A procfs that does not show us is of no namespace that we are in.
        return False
    # A kernel without pid namespaces has no such line.
    return all(len(each) == 1 for each in numbers)
