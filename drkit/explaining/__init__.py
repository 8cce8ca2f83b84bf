"""Attribution: maps of what speaks for and against a grade, their pictures, and how faithful they are."""
