"""Uploads a service must survive: broken, hostile, and odd but valid image files.

Every upload says what is expected of it. Bytes are flipped only where the answer is certain
(signatures, checksums, sizes); flips anywhere are the fuzz tests' matter, since a flipped pixel
is still a picture.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from PIL import Image

FORMATS = {
    "JPEG": ("jpg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "WEBP": ("webp", "image/webp"),
    "GIF": ("gif", "image/gif"),
    "BMP": ("bmp", "image/bmp"),
    "TIFF": ("tif", "image/tiff"),
}
HUGE_SIDE_PIXELS = 20_000


@dataclass(frozen=True)
class Upload:
    """One file as a form would send it; ``name`` says what is odd about it."""

    name: str
    filename: str
    content_type: str
    data: bytes
    expected: Literal["reject", "accept"]


def malformed_uploads(count: int = 300, seed: int = 0) -> list[Upload]:
    """Every named oddity once, then random truncations and random bytes up to ``count``."""
    rng = np.random.default_rng(seed)
    named = [
        *odd_but_valid(),
        *_wrong_types(),
        *_too_small(),
        *_too_large(),
        *_broken_structure(),
    ]
    return [*named, *islice(_random(rng), max(0, count - len(named)))][:count]


def picture(width: int = 96, height: int = 72) -> Image.Image:
    """Smooth colours with one dark corner, so that orientation and colour faults show."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([columns * 255 // width, rows * 255 // height, 0 * rows + 128], axis=2)
    pixels[: height // 4, : width // 4] = 10
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The image as a file of format ``form``."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def odd_but_valid() -> list[Upload]:
    """Files a browser shows without complaint, in the corners of their formats."""
    base = picture()
    frames = [base.rotate(angle) for angle in (90, 180)]
    animation = {"save_all": True, "append_images": frames, "duration": 80}
    see_through = base.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(base.size))
    palette = base.quantize(32)
    turned = Image.Exif()
    turned[0x0112] = 6
    grey16 = np.linspace(0, 65535, 96 * 72).reshape(72, 96).astype(np.uint16)
    files = {
        "plain JPEG": ("JPEG", encoded(base, "JPEG")),
        "progressive JPEG": ("JPEG", encoded(base, "JPEG", progressive=True)),
        "CMYK JPEG": ("JPEG", encoded(base.convert("CMYK"), "JPEG")),
        "grey JPEG": ("JPEG", encoded(base.convert("L"), "JPEG")),
        "EXIF-rotated JPEG": ("JPEG", encoded(base, "JPEG", exif=turned)),
        "JPEG with bytes after its end": ("JPEG", encoded(base, "JPEG") + b"\0" * 500),
        "8-bit PNG": ("PNG", encoded(base, "PNG")),
        "16-bit grey PNG": ("PNG", encoded(Image.fromarray(grey16), "PNG")),
        "16-bit RGB PNG": ("PNG", png_rgb16(base)),
        "1-bit PNG": ("PNG", encoded(base.convert("1"), "PNG")),
        "PNG with alpha": ("PNG", encoded(see_through, "PNG")),
        "grey PNG with alpha": ("PNG", encoded(see_through.convert("LA"), "PNG")),
        "palette PNG with a transparent colour": ("PNG", encoded(palette, "PNG", transparency=3)),
        "RGB PNG with a transparent colour": (
            "PNG",
            encoded(base, "PNG", transparency=(10, 10, 10)),
        ),
        "animated PNG": ("PNG", encoded(base, "PNG", **animation)),
        "animated GIF": ("GIF", encoded(base, "GIF", **animation)),
        "GIF with a transparent colour": ("GIF", encoded(palette, "GIF", transparency=3)),
        "animated WebP": ("WEBP", encoded(base, "WEBP", **animation)),
        "lossless WebP with alpha": ("WEBP", encoded(see_through, "WEBP", lossless=True)),
        "24-bit BMP": ("BMP", encoded(base, "BMP")),
        "palette BMP": ("BMP", encoded(palette, "BMP")),
        "LZW TIFF": ("TIFF", encoded(base, "TIFF", compression="tiff_lzw")),
        "CMYK TIFF": ("TIFF", encoded(base.convert("CMYK"), "TIFF")),
        "float TIFF": ("TIFF", encoded(base.convert("F"), "TIFF")),
        "EXIF-rotated TIFF": ("TIFF", encoded(base, "TIFF", exif=turned)),
        "PNG called .jpg": ("JPEG", encoded(base, "PNG")),
        "8 pixels high": ("PNG", encoded(picture(400, 8), "PNG")),
    }
    return [_upload(name, form, data, "accept") for name, (form, data) in files.items()]


def png(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG assembled by hand: what its header claims need not be what ``rows`` holds."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(kind, content)
        for kind, content in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One PNG chunk with its right checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_rgb16(image: Image.Image) -> bytes:
    """The image as a 16-bit RGB PNG, which Pillow reads but does not write."""
    wide = (np.asarray(image.convert("RGB")).astype(np.uint16) * 257).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    return png(image.width, image.height, depth=16, colour=2, rows=rows)


def _wrong_types() -> list[Upload]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as folder:
        folder.writestr("photo.jpg", encoded(picture(), "JPEG"))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><rect/></svg>'
    contents = {
        "zero bytes": b"",
        "one byte": b"\xff",
        "white space": b" \n" * 40,
        "text": b"this is not a photograph at all\n" * 20,
        "JSON": b'{"image": "photo.jpg"}',
        "PDF": b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n%%EOF",
        "SVG": svg,
        "HTML": b"<!doctype html><html><body><img src=photo.jpg></body></html>",
        "zip": archive.getvalue(),
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + bytes(60),
        "mp4": b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(200),
        "HEIC magic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\nshowpage\n",
        "portable pixmap": encoded(picture(), "PPM"),
        "Targa": encoded(picture(), "TGA"),
        "icon": encoded(picture(64, 64), "ICO"),
        "JPEG start marker alone": b"\xff\xd8\xff",
        "PNG signature alone": b"\x89PNG\r\n\x1a\n",
        "GIF signature alone": b"GIF89a",
        "RIFF of another kind": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    }
    return [
        Upload(f"{name} called .jpg", "photo.jpg", "image/jpeg", data, "reject")
        for name, data in contents.items()
    ]


def _too_small() -> list[Upload]:
    return [
        _upload(f"{width}x{height} {form}", form, encoded(picture(width, height), form), "reject")
        for form in FORMATS
        for width, height in ((1, 1), (7, 300))
    ]


def _too_large() -> list[Upload]:
    side = HUGE_SIDE_PIXELS
    gif = bytearray(encoded(picture(), "GIF"))
    gif[6:10] = struct.pack("<HH", side, side)
    bmp = bytearray(encoded(picture(), "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    webp_side = 16_384  # the largest the format's 14 bits can say
    webp = bytearray(encoded(picture(), "WEBP", lossless=True))
    webp[21:25] = struct.pack("<I", (webp_side - 1) | (webp_side - 1) << 14)
    jpeg = bytearray(encoded(picture(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 1), (273, 4, 1, 200), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, 40)]
    directory = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + directory + bytes(300)
    # Real pixel data: 50 MB of rows that deflate to 50 kB.
    bomb = png(side, side, depth=1, colour=0, rows=bytes(side * (1 + side // 8)))
    text_bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(16 << 20), 9))
    plain = encoded(picture(), "PNG")
    huge = png(side, side, depth=8, colour=2, rows=bytes(100))
    return [
        _upload("20000x20000 JPEG header", "JPEG", bytes(jpeg), "reject"),
        _upload("20000x20000 PNG header", "PNG", huge, "reject"),
        _upload("20000x20000 GIF header", "GIF", bytes(gif), "reject"),
        _upload("20000x20000 BMP header", "BMP", bytes(bmp), "reject"),
        _upload("16384x16384 WebP header", "WEBP", bytes(webp), "reject"),
        _upload("20000x20000 TIFF header", "TIFF", tiff, "reject"),
        _upload("PNG inflating to 400 megapixels", "PNG", bomb, "reject"),
        _upload(
            "PNG with a comment of 16 MB", "PNG", plain[:33] + text_bomb + plain[33:], "reject"
        ),
    ]


def _broken_structure() -> list[Upload]:
    whole = encoded(picture(), "PNG")
    header_crc = bytearray(whole)
    header_crc[29] ^= 0xFF
    palette_crc = bytearray(encoded(picture().quantize(32), "PNG"))
    palette_crc[palette_crc.index(b"PLTE") + 4] ^= 0xFF
    no_pixels = whole[: whole.index(b"IDAT") - 4] + whole[whole.index(b"IEND") - 4 :]
    flat = png(0, 300, depth=8, colour=2, rows=b"")
    jpeg = encoded(picture(), "JPEG")
    no_frame = jpeg.replace(b"\xff\xc0", b"\xff\xee")
    uploads = [
        _upload("PNG with a wrong header checksum", "PNG", bytes(header_crc), "reject"),
        _upload("PNG with a wrong palette checksum", "PNG", bytes(palette_crc), "reject"),
        _upload("PNG without pixels", "PNG", no_pixels, "reject"),
        _upload("PNG of zero width", "PNG", flat, "reject"),
        _upload("JPEG without a frame header", "JPEG", no_frame, "reject"),
    ]
    for form in FORMATS:
        data = encoded(picture(), form)
        uploads += [
            _upload(f"{form} with bit {bit} of byte {at} flipped", form, flipped, "reject")
            for at, bit in ((0, 0), (0, 5), (1, 2))
            for flipped in (bytes([*data[:at], data[at] ^ 1 << bit]) + data[at + 1 :],)
        ]
    return uploads


def _random(rng: np.random.Generator) -> Iterator[Upload]:
    wholes = {form: encoded(picture(240, 180), form) for form in FORMATS}
    wholes["progressive"] = encoded(picture(240, 180), "JPEG", progressive=True)
    kinds = [*wholes, "noise"]
    for number in range(1_000_000):
        kind = kinds[number % len(kinds)]
        if kind == "noise":
            noise = rng.bytes(int(rng.integers(1, 4000)))
            yield _upload(f"{len(noise)} random bytes", "JPEG", b"\0" + noise, "reject")
            continue
        form = "JPEG" if kind == "progressive" else kind
        # The last hundredth of a file may be padding that no decoder misses.
        at = int(len(wholes[kind]) * rng.uniform(0.001, 0.98))
        yield _upload(f"{kind} cut after {at} bytes", form, wholes[kind][:at], "reject")


def _upload(name: str, form: str, data: bytes, expected: Literal["reject", "accept"]) -> Upload:
    extension, content_type = FORMATS[form]
    return Upload(name, f"photo.{extension}", content_type, data, expected)
