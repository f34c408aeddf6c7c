"""Recordings as text: the questions that answers were made from, and what was said to each. Pure: nothing is opened."""
