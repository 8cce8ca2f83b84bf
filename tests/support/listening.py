"""What drkit says while it works, kept for assertions."""

from drkit.talk import Silence


class Recorder(Silence):
    """Keeps every sentence.

    Attributes:
        said: Steps that were taken.
        warned: Warnings.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, sentence: str) -> None:
        """Keep it."""
        self.said.append(sentence)

    def warn(self, sentence: str) -> None:
        """Keep it."""
        self.warned.append(sentence)
