"""Every common file type is decoded correctly, or refused with a message that names the type."""

import sys
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from drkit.errors import InputError
from drkit.images.files import decode_photograph, decode_with_remarks, read_photograph


def encode(photograph: np.ndarray, form: str, mode: str = "RGB", **options: object) -> bytes:
    stream = BytesIO()
    Image.fromarray(photograph).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found.astype(int) - expected).mean())


LOSSLESS = [
    ("PNG", {}), ("BMP", {}), ("PPM", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("JPEG2000", {}),
    *(("TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd")),
]  # fmt: skip


@pytest.mark.parametrize(("form", "options"), LOSSLESS)
def test_lossless_kinds_come_back_as_they_were(photograph, form, options):
    assert np.array_equal(decode_photograph(encode(photograph, form, **options), "eye"), photograph)


@pytest.mark.parametrize(
    ("form", "options"),
    [("JPEG", {"quality": 95}), ("JPEG", {"progressive": True}), ("WEBP", {"quality": 95}), ("AVIF", {"quality": 95}),
     ("TIFF", {"compression": "jpeg", "quality": 95}), ("GIF", {}), ("JPEG", {"keep_rgb": True})],
)  # fmt: skip
def test_lossy_kinds_nearly_so(photograph, form, options):
    assert difference(decode_photograph(encode(photograph, form, **options), "eye"), photograph) < 8


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_bits_greys_and_palettes_become_rgb(photograph, form, mode):
    expected = np.array(Image.fromarray(photograph).convert(mode).convert("RGB"))
    assert np.array_equal(decode_photograph(encode(photograph, form, mode), "eye"), expected)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_dropped(photograph, form, mode):
    picture = Image.fromarray(photograph).convert(mode)
    picture.putalpha(Image.fromarray(photograph[..., 0] // 2))
    stream = BytesIO()
    picture.save(stream, form)
    expected = photograph if mode == "RGBA" else np.stack([np.array(picture)[..., 0]] * 3, -1)
    assert np.array_equal(decode_photograph(stream.getvalue(), "eye"), expected)


@pytest.mark.parametrize(("form", "options"), [("JPEG", {"quality": 98}), ("TIFF", {})])
def test_cmyk_becomes_rgb(photograph, form, options):
    assert difference(decode_photograph(encode(photograph, form, "CMYK", **options), "eye"), photograph) < 4


def test_inverted_greys_separate_planes_and_tiles_are_read(photograph):
    stream = BytesIO()
    tifffile.imwrite(stream, 255 - photograph[..., 0], photometric="miniswhite")
    assert np.array_equal(decode_photograph(stream.getvalue(), "eye")[..., 0], photograph[..., 0])
    stream = BytesIO()
    tifffile.imwrite(stream, np.moveaxis(photograph, -1, 0), photometric="rgb", planarconfig="separate")
    assert np.array_equal(decode_photograph(stream.getvalue(), "eye"), photograph)
    stream = BytesIO()
    tifffile.imwrite(stream, np.tile(photograph, (2, 2, 1)), photometric="rgb", tile=(16, 16), bigtiff=True)
    assert np.array_equal(decode_photograph(stream.getvalue(), "eye"), np.tile(photograph, (2, 2, 1)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(photograph, form, orientation):
    plain = Image.fromarray(photograph)
    stream, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    plain.save(stream, form, exif=exif, **{"JPEG": {"quality": 98}, "WEBP": {"lossless": True}}.get(form, {}))
    transposed = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }  # fmt: skip
    expected = plain if orientation == 1 else plain.transpose(transposed[orientation])
    assert difference(decode_photograph(stream.getvalue(), "eye"), np.array(expected)) < 5


@pytest.mark.parametrize(
    ("form", "word"), [("GIF", "frames"), ("WEBP", "frames"), ("PNG", "animated"), ("TIFF", "pages")]
)
def test_the_first_of_several_is_read_and_remarked_on(photograph, form, word):
    others = [Image.fromarray(255 - photograph).convert("L"), Image.fromarray(photograph // 2).convert("L")]
    lossless = {"lossless": True} if form == "WEBP" else {}
    content = encode(photograph, form, "L", save_all=True, append_images=others, **lossless)
    decoded = decode_with_remarks(content, "eye")
    assert np.array_equal(decoded.pixels[..., 0], np.array(Image.fromarray(photograph).convert("L")))
    assert [remark.kind for remark in decoded.remarks] == ["first-of-several"]
    assert word in decoded.remarks[0].sentence


def test_a_thumbnail_before_the_photograph_is_passed_over(photograph):
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(photograph[::2, ::2], photometric="rgb", subfiletype=1)
        writer.write(photograph, photometric="rgb")
    decoded = decode_with_remarks(stream.getvalue(), "eye")
    assert np.array_equal(decoded.pixels, photograph)
    assert not decoded.remarks


@pytest.mark.parametrize("share", [0.5, 0.97])
@pytest.mark.parametrize(("form", "options"), [*LOSSLESS, ("GIF", {}), ("JPEG", {}), ("WEBP", {}), ("AVIF", {})])
def test_whatever_is_cut_off_is_refused(form, options, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    content = encode(noise, form, **options)
    with pytest.raises(InputError, match=r"eye .*cut off.*: copy or download it again"):
        decode_photograph(content[: int(len(content) * share)], "eye")


DAMAGED = [("PNG", {}), ("TIFF", {"compression": "tiff_adobe_deflate"}), ("JPEG", {"restart_marker_rows": 1})]


@pytest.mark.parametrize(("form", "options"), DAMAGED)
def test_files_damaged_in_the_middle_are_refused_without_other_output(tmp_path, capfd, form, options):
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    content = bytearray(encode(noise, form, **options))
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(byte ^ 0x5A for byte in content[middle : middle + 60])
    (tmp_path / "eye").write_bytes(content)
    with pytest.raises(InputError, match=r"eye is damaged or cut off \(.+\): copy or download it again, or save it"):
        read_photograph(tmp_path / "eye")
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_that_was_cut_and_closed_is_refused(photograph):
    content = encode(photograph, "JPEG", quality=98)
    with pytest.raises(InputError, match=r"eye is damaged or cut off \(Corrupt JPEG data: premature end"):
        decode_photograph(content[: len(content) * 2 // 3] + b"\xff\xd9", "eye")


@pytest.mark.parametrize("behind", [bytes(20000), b"\xff" * 10, b"<html>" * 5000])
def test_bytes_after_the_end_of_a_jpeg_are_ignored_with_a_remark(photograph, behind):
    content = encode(photograph, "JPEG")
    decoded = decode_with_remarks(content + behind, "eye")
    assert np.array_equal(decoded.pixels, decode_photograph(content, "eye"))
    (remark,) = decoded.remarks
    assert remark.kind == "bytes-behind-end"
    assert remark.sentence.startswith(f"{len(behind)} bytes follow its end")


def test_bytes_before_the_end_mark_are_a_remark(photograph):
    content = encode(photograph, "JPEG")
    decoded = decode_with_remarks(content[:-2] + b"abcdef" + content[-2:], "eye")
    assert np.array_equal(decoded.pixels, decode_photograph(content, "eye"))
    assert [(remark.kind, "extraneous bytes" in remark.sentence) for remark in decoded.remarks] == [
        ("decoder-warning", True)
    ]


def test_heic_is_read(photograph):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    content = encode(photograph, "HEIF", quality=95)
    assert difference(decode_photograph(content, "eye"), photograph) < 8


def test_heic_without_its_plug_in_says_what_to_install(photograph, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = b"\0\0\0\x18ftypheic" + bytes(40)
    with pytest.raises(InputError, match=r"eye is a HEIC photograph: pip install 'drkit\[heic\]'"):
        decode_photograph(content, "eye")


def test_twelve_bit_jpegs_and_other_files_are_refused_with_their_type(photograph):
    content = bytearray(encode(photograph, "JPEG"))
    frame = content.find(b"\xff\xc0")
    content[frame + 4] = 12
    with pytest.raises(InputError, match=r"eye is damaged or cut off \(.*12"):
        decode_photograph(bytes(content), "eye")
    with pytest.raises(InputError, match="eye is no photograph"):
        decode_photograph(b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(100), "eye")
