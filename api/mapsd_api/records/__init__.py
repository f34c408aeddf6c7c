"""What is counted and noted of what was asked."""
