"""A container of our own, and what everybody says of it."""
