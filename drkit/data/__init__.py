"""BATCHES: from photographs on disk to what a network is fed."""
