"""How long work tells where it is, and learns that it should stop. This one is silent; the command line has others."""


class Progress:
    """Silent progress. Long work calls `stage` once, then `advance` and `check` as it goes."""

    def stage(self, name: str, total: int) -> None:
        """A new piece of work of `total` units begins."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` units are done; `note` says what is interesting now, e.g. the loss."""

    def say(self, line: str) -> None:
        """One line worth keeping on the screen."""

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for. Called wherever stopping loses nothing."""
