"""What the daemon is told."""
