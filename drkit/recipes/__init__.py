"""THE STORY: one module a command, one function that reads from top to bottom."""
