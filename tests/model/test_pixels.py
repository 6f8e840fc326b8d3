import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from api_schemas.card import Preprocessing
from model.pixels import (
    MAX_IMAGE_PIXELS,
    MIN_SIDE_PIXELS,
    UndecodableImage,
    decode,
    media_type,
    normalise,
)
from tests.malformed import (
    FORMATS,
    Upload,
    encoded,
    malformed_uploads,
    odd_but_valid,
    picture,
    png,
    png_rgb16,
)

PAD = Preprocessing(input_size=64, fit="pad", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
SQUASH = PAD.model_copy(update={"fit": "squash"})
UPLOADS = malformed_uploads(300)


def photo(width: int, height: int) -> Image.Image:
    """Detail at every scale, less the finer it is, as in a photograph."""
    rng = np.random.default_rng(7)
    image = Image.new("RGB", (width, height))
    for cells in (64, 16, 4):
        grid = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        image = Image.blend(image, layer, 0.5)
    return image


def content(pixels: np.ndarray) -> np.ndarray:
    """The picture's own rows, (48, 64, 3), of a padded 4:3 image."""
    return pixels[8:56].astype(int)


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda upload: upload.name)
def test_an_upload_is_accepted_or_refused_as_expected(upload: Upload) -> None:
    if upload.expected == "accept":
        pixels = decode(upload.data, PAD)
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        assert pixels.flags.c_contiguous
    else:
        with pytest.raises(UndecodableImage) as refused:
            decode(upload.data, PAD)
        assert refused.value.reason == str(refused.value)
        assert len(refused.value.reason.split()) >= 4


def test_refusals_do_not_need_warnings_to_be_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for upload in UPLOADS:
            if upload.expected == "reject":
                with pytest.raises(UndecodableImage):
                    decode(upload.data, PAD)


def test_a_large_header_is_refused_before_pixels_are_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allocated = []
    monkeypatch.setattr(
        ImageFile.ImageFile, "load_prepare", lambda self: allocated.append(self.size)
    )
    side = int(MAX_IMAGE_PIXELS**0.5) + 1
    with pytest.raises(UndecodableImage, match=f"{side} x {side} pixels; at most 50 megapixels"):
        decode(png(side, side, depth=8, colour=2, rows=b""), PAD)
    for upload in UPLOADS:
        if "20000x20000" in upload.name or "16384x16384" in upload.name:
            with pytest.raises(UndecodableImage, match="megapixels"):
                decode(upload.data, PAD)
    assert allocated == []


def test_the_smallest_side_is_named_in_the_refusal() -> None:
    decode(encoded(picture(MIN_SIDE_PIXELS, MIN_SIDE_PIXELS), "PNG"), PAD)
    with pytest.raises(UndecodableImage, match="7 x 300 pixels; both sides must be at least 8"):
        decode(encoded(picture(7, 300), "PNG"), PAD)


def test_pad_centres_the_picture_on_white_and_keeps_its_proportions() -> None:
    pixels = decode(encoded(Image.new("RGB", (200, 100), "black"), "PNG"), PAD)
    assert (pixels[16:48] == 0).all()
    assert (pixels[:16] == 255).all()
    assert (pixels[48:] == 255).all()


def test_pad_enlarges_small_pictures_to_the_input_size() -> None:
    pixels = decode(encoded(Image.new("RGB", (16, 32), "black"), "PNG"), PAD)
    assert (pixels[:, 16:48] == 0).all()
    assert (pixels[:, :16] == 255).all()


def test_an_extreme_aspect_ratio_keeps_at_least_one_row() -> None:
    pixels = decode(encoded(Image.new("L", (6000, 8)), "PNG"), PAD)
    assert (pixels == 0).all(axis=2).sum() == 64


def test_squash_fills_the_square() -> None:
    pixels = decode(encoded(Image.new("RGB", (200, 100), "black"), "PNG"), SQUASH)
    assert (pixels == 0).all()


def test_resizing_averages_over_each_target_pixel() -> None:
    checkerboard = np.indices((512, 512)).sum(axis=0) % 2 * 255
    pixels = decode(encoded(Image.fromarray(checkerboard.astype(np.uint8)), "PNG"), PAD)
    assert np.abs(pixels.astype(int) - 127.5).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation: int, form: str) -> None:
    upright = picture(96, 72)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = decode(encoded(stored, form, exif=exif), PAD)
    expected = decode(encoded(upright, "PNG"), PAD)
    assert np.abs(turned.astype(int) - expected.astype(int)).mean() < 3


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_unreadable_exif_does_not_spoil_the_picture() -> None:
    data = encoded(picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12")
    assert (decode(data, PAD) == decode(encoded(picture(), "JPEG"), PAD)).all()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cmyk", encoded(picture().convert("CMYK"), "JPEG", quality=95)),
        ("cmyk tiff", encoded(picture().convert("CMYK"), "TIFF")),
        ("palette", encoded(picture().quantize(256), "PNG")),
        ("16-bit rgb", png_rgb16(picture())),
        ("progressive", encoded(picture(), "JPEG", progressive=True, quality=95)),
        ("webp", encoded(picture(), "WEBP", lossless=True)),
        ("gif", encoded(picture().quantize(256), "GIF")),
        ("bmp", encoded(picture(), "BMP")),
    ],
)
def test_every_encoding_of_a_picture_gives_the_same_pixels(name: str, data: bytes) -> None:
    expected = content(decode(encoded(picture(), "PNG"), PAD))
    assert np.abs(content(decode(data, PAD)) - expected).mean() < 4


@pytest.mark.parametrize(
    ("name", "values", "form"),
    [
        ("16-bit grey", np.linspace(0, 65535, 64 * 48).astype(np.uint16), "PNG"),
        ("16-bit grey TIFF", np.linspace(0, 65535, 64 * 48).astype(np.uint16), "TIFF"),
        ("32-bit grey", np.linspace(0, 2**31 - 1, 64 * 48).astype(np.int32) * 1, "TIFF"),
        ("floats to 1", np.linspace(0, 1, 64 * 48, dtype=np.float32), "TIFF"),
        ("floats to 255", np.linspace(0, 255, 64 * 48, dtype=np.float32), "TIFF"),
    ],
)
def test_deep_greys_are_scaled_and_not_clipped(name: str, values: np.ndarray, form: str) -> None:
    image = Image.fromarray(values.reshape(48, 64))
    ramp = content(decode(encoded(image, form), PAD))[..., 0].ravel()
    top = 127 if name == "32-bit grey" else 255
    assert np.abs(ramp - np.linspace(0, top, 64 * 48)).max() <= 1


def test_dark_16_bit_pictures_stay_dark() -> None:
    dim = Image.fromarray(np.full((64, 64), 200, dtype=np.uint16))
    assert (decode(encoded(dim, "PNG"), PAD) == 1).all()


def test_floats_that_are_not_numbers_are_refused() -> None:
    image = Image.fromarray(np.full((64, 64), np.nan, dtype=np.float32))
    with pytest.raises(UndecodableImage, match="not finite"):
        decode(encoded(image, "TIFF"), PAD)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_flattened_on_white(mode: str) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 128))
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    data = (
        encoded(image.quantize(8), "PNG") if mode == "PA" else encoded(image.convert(mode), "PNG")
    )
    pixels = decode(data, PAD)
    assert (pixels[:, :32] == 255).all()
    assert np.abs(pixels[:, 32:].astype(int) - 127).max() <= 1


def test_hidden_colours_do_not_bleed_through_resized_edges() -> None:
    image = Image.new("RGBA", (640, 640), (255, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 325, 640))
    assert (decode(encoded(image, "PNG"), PAD) >= 254).all()


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_several_is_read(form: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(data)).n_frames == 2  # type: ignore[attr-defined]
    assert (np.abs(decode(data, PAD).astype(int) - (255, 0, 0)) <= 3).all()


@pytest.mark.parametrize("size", [(1200, 900), (400, 300), (131, 129), (3000, 128)])
@pytest.mark.parametrize("preprocessing", [PAD, SQUASH], ids=["pad", "squash"])
def test_decoding_jpeg_at_reduced_scale_stays_close_to_the_full_path(
    size: tuple[int, int], preprocessing: Preprocessing
) -> None:
    data = encoded(photo(*size), "JPEG", quality=90)
    full = encoded(Image.open(io.BytesIO(data)), "PNG")
    difference = decode(data, preprocessing).astype(int) - decode(full, preprocessing)
    assert np.abs(difference).mean() < 3


def test_box_reduction_stays_close_to_filtering_the_whole_image() -> None:
    image = photo(1200, 900)
    whole = np.asarray(image.resize((64, 48), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(content(decode(encoded(image, "PNG"), PAD)) - whole).mean() < 2


@pytest.mark.parametrize("form", [*FORMATS])
def test_threads_decode_alike(form: str) -> None:
    data = encoded(photo(300, 200), form)
    expected = decode(data, PAD)
    with ThreadPoolExecutor(4) as pool:
        assert all((got == expected).all() for got in pool.map(decode, [data] * 24, [PAD] * 24))


def test_normalise_matches_the_formula_element_by_element() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    planes = normalise(pixels, PAD)
    assert planes.shape == (2, 3, 5, 5)
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous
    for index in np.ndindex(planes.shape):
        image, channel, row, column = index
        value = pixels[image, row, column, channel] / 255
        expected = (value - PAD.mean[channel]) / PAD.std[channel]
        assert planes[index] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("form", "kind"), FORMATS.items())
def test_media_type_reads_the_header(form: str, kind: tuple[str, str]) -> None:
    assert media_type(encoded(picture(), form)) == kind[1]


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"\xff\xd8\xff", encoded(picture(), "PPM")])
def test_media_type_of_anything_else_is_none(data: bytes) -> None:
    assert media_type(data) is None


VALID = [upload.data for upload in odd_but_valid()]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", *(data[:12] for data in VALID)]))
def test_random_bytes_never_raise_anything_else(noise: bytes, start: bytes) -> None:
    _decodes_or_is_refused(start + noise)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_damaged_files_never_raise_anything_else(whole: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(whole[: draw.draw(st.integers(1, len(whole)), label="kept bytes")])
    flips = draw.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(1, 255)), max_size=6)
    )
    for at, mask in flips:
        damaged[at] ^= mask
    _decodes_or_is_refused(bytes(damaged))


def _decodes_or_is_refused(data: bytes) -> None:
    try:
        assert decode(data, PAD).shape == (64, 64, 3)
    except UndecodableImage as refused:
        assert refused.reason  # noqa: PT017 - either outcome is right, nothing else may escape
    assert media_type(data) in {None, *(kind for _, kind in FORMATS.values())}
