"""One process, read, asked about and read again: what the library answers."""
