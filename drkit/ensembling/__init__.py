"""Several predictions of the same photographs, combined."""
