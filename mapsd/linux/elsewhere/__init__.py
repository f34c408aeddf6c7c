"""A machine that is seen from inside a container."""
