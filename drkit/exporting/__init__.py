"""Runs in formats that other programs read: ONNX and timm's folders."""
