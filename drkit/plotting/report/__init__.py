"""The HTML report of data, runs and results, in one file that needs no network."""
