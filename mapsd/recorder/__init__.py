"""The ports, wrapped: what is asked of a live machine is written down, or answered from what was written down."""
