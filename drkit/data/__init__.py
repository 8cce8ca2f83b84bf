"""From photographs on disk to batches for a network."""
