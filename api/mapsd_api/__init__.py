"""The HTTP face of mapsd: a placeholder until the service is built."""
