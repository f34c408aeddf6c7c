"""The questions themselves: few at a time, shared, for those who may see the process."""
