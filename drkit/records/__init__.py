"""Files that pass between commands: all of them are read, checked and written here only."""
