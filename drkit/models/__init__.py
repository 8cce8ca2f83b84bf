"""LOGITS: the only room that names timm."""
