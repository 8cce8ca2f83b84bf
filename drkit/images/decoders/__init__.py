"""Decode the bytes of a file to upright 8-bit RGB; the file type is recognised by its content, not its name."""

from drkit.images.decoders.base import CannotDecodeError, Decoded, FileRemark, FileRemarkKind
from drkit.images.decoders.choosing import decode

__all__ = ["CannotDecodeError", "Decoded", "FileRemark", "FileRemarkKind", "decode"]
