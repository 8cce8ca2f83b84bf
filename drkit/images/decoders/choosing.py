"""Choose the decoder of a file."""

from drkit.images.decoders import dicom, jpeg, png, tiff
from drkit.images.decoders.base import Decoded
from drkit.images.decoders.pictures import decode_picture


def decode(content: bytes, reduction: int = 1) -> Decoded:
    """Decode a photograph of any supported type.

    Args:
        content: The whole file.
        reduction: Divisor of a JPEG's sides, 1, 2, 4 or 8; other types are decoded at full size.

    Raises:
        CannotDecodeError: the file is no photograph, is damaged or truncated, has values of unknown range, or is of a
            type whose plug-in is not installed.
    """
    if content.startswith(jpeg.START):
        return jpeg.decode_jpeg(content, reduction)
    if content.startswith(png.START):
        return png.decode_png(content)
    if content.startswith(tiff.STARTS):
        return tiff.decode_tiff(content)
    if content[128:132] == dicom.MARK:
        return dicom.decode_dicom(content)
    return decode_picture(content)
