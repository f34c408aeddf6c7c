"""Completions and man pages, made from the table by which every command reads its words; nothing of it is shipped."""
