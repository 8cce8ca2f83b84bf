"""THE PAPERS: every file that passes between commands is read, checked and written here only."""
