"""What happens to processes, told to those who listen."""
