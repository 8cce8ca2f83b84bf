"""A reporter that keeps what drkit reports, for assertions."""

from drkit.progress import SilentReporter


class Recorder(SilentReporter):
    """Keeps every message.

    Attributes:
        notices: Steps that were reported.
        warnings: Warnings.
    """

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.warnings: list[str] = []

    def notify(self, message: str) -> None:
        """Keep it."""
        self.notices.append(message)

    def warn(self, message: str) -> None:
        """Keep it."""
        self.warnings.append(message)
