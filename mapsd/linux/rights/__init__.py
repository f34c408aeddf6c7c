"""Who may see what: one thread asks the kernel as somebody else."""
