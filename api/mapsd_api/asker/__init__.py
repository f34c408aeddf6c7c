"""Who asks, and what every request must pass."""
