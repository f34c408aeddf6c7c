"""Everything that is generated, by its place below share/ of an installation."""

from generators import bash, fish, manual, zsh


def made() -> dict[str, str]:
    """Return the text of every file."""
    return {
        "bash-completion/completions/mapsd": bash.completion(),
        "fish/vendor_completions.d/mapsd.fish": fish.completion(),
        "zsh/site-functions/_mapsd": zsh.completion(),
        **{f"man/man1/{name}": text for name, text in manual.manual().items()},
    }
