"""Photographs as uint8 (H, W, 3) RGB arrays."""
