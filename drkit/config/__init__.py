"""The options of each command as a dataclass, which its recipe takes; light enough for `--help`."""
