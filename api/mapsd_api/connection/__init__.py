"""Connections: how many, how long, and who is at the other end of each."""
