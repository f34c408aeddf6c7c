"""The only place that touches a machine."""
