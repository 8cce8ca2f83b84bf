"""Networks, from images to logits; the only package that imports timm."""
