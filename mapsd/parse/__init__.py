"""Text of the kernel becomes values: bytes in, values out, no I/O."""
