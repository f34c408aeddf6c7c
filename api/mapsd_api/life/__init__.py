"""How the daemon starts, reads its settings again, says how it is, and ends."""
