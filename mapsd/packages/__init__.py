"""Which package a file of a container belongs to, by the databases that lie in the container's own root."""
