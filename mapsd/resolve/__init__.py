"""The rules: pure decisions that ask about files, layers and pages through ports."""
