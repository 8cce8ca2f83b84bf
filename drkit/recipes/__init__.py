"""One module per command, each with one function that reads from top to bottom."""
