"""Decoding of a file's bytes to upright 8-bit RGB, by the type that its first bytes show, not by its name."""

from drkit.images.decoders.base import CannotDecodeError, Decoded, FileRemark, FileRemarkKind
from drkit.images.decoders.choosing import decode

__all__ = ["CannotDecodeError", "Decoded", "FileRemark", "FileRemarkKind", "decode"]
