"""Answers and problems in the forms that are sent."""
