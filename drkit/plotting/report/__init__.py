"""One HTML file that tells a whole work, and needs nothing but itself."""
