"""Where the daemon listens."""
