"""File names made of image ids: short enough for any file system, whatever is appended to them."""

from drkit.records.provenance import sha256_bytes

MAX_BYTES = 200  # of a name before its suffix; file systems take 255 with it
DIGITS = 12  # of the hash that tells shortened names apart


def shorten_name(name: str) -> str:
    """`name`, or where it is longer than `MAX_BYTES` its beginning and some digits of its hash."""
    encoded = name.encode(errors="surrogateescape")
    if len(encoded) <= MAX_BYTES:
        return name
    start = encoded[: MAX_BYTES - DIGITS - 1].decode(errors="ignore")
    return f"{start}-{sha256_bytes(encoded)[:DIGITS]}"
