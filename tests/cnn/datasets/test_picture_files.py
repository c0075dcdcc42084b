"""Pictures in files, made by hand: their levels, what is transparent, and damage around them."""

import io
import struct
import threading
import zlib

import numpy as np
import pytest

from cnn import datasets
from cnn.datasets import Scale

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 7, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (6, 7, 3)).astype(np.uint16)
DEEP[0, 0] = 65535
GREY, PALETTE = 0, 3  # types of colour in a PNG
MAGIC = b"\x89PNG\r\n\x1a\n"
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]


def chunk(kind, data, crc=None):
    check = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png(size, depth, colour, data, *chunks, interlaced=False):
    """A PNG file of rows of bytes; the chunks stand before its pixels."""
    head = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, interlaced)
    pixels = chunk(b"IDAT", zlib.compress(data))
    return MAGIC + chunk(b"IHDR", head) + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def rows(values):
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)


def deep_png(values, *chunks, interlaced=False):
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    data = rows(values)
    if interlaced:
        parts = [
            values[top::down, left::right] for top, left, down, right in [*PASSES, (1, 0, 2, 1)]
        ]
        data = b"".join(rows(part) for part in parts if part.size)
    return png(values.shape, 16, colour, data, *chunks, interlaced=interlaced)


def tiff(values, order="<", photometric=1, sample=1, packed=False, **more):
    """A TIFF file of one strip, packed by deflate or not; more tags as numbers, such as t338=2."""
    height, width, channels = values.shape
    bits = 8 * values.dtype.itemsize
    tags = {256: width, 257: height, 258: [bits] * channels, 259: 1, 262: photometric}
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if packed:
        tags[259], pixels = 8, zlib.compress(pixels)
    tags |= {273: 8, 277: channels, 278: height, 279: len(pixels), 339: [sample] * channels}
    tags |= {int(name[1:]): value for name, value in more.items()}
    extra, entries = b"", b""
    for tag, value in sorted(tags.items()):
        numbers = value if isinstance(value, list) else [value]
        kind, letter = (4, "I") if max(numbers) > 65535 else (3, "H")
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(packed) > 4:
            place = 8 + len(pixels) + len(extra)
            extra, packed = extra + packed, struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    start = 8 + len(pixels) + len(extra)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    count = struct.pack(f"{order}H", len(tags))
    return head + pixels + extra + count + entries + bytes(4)


def read(path, data, **how):
    path.write_bytes(data)
    return datasets.load_images([path], **how)[0]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "picture"


# Levels


@pytest.mark.parametrize("interlaced", [False, True])
def test_colours_of_16_bits_keep_their_levels(file, interlaced):
    X = read(file, deep_png(DEEP, interlaced=interlaced))
    np.testing.assert_allclose(X, DEEP / 65535, atol=1e-7)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [False, True])
def test_tiff_of_16_bits_keeps_its_levels(file, order, packed):
    data = tiff(DEEP, order, photometric=2, packed=packed)
    np.testing.assert_allclose(read(file, data), DEEP / 65535, atol=1e-7)
    grey = read(file, tiff(DEEP[..., :1], order, packed=packed))
    np.testing.assert_allclose(grey, DEEP[..., :1] / 65535, atol=1e-7)


def test_grey_of_colours_of_16_bits(file):
    X = read(file, deep_png(DEEP), channels=1)
    np.testing.assert_allclose(X[..., 0], DEEP @ [0.299, 0.587, 0.114] / 65535, atol=1e-6)


def test_ppm_of_many_levels(file):
    values = RNG.integers(0, 1001, (4, 5, 3))
    values[0, 0] = 1000
    head, words = b"P6 5 4 1000\n", " ".join(map(str, values.ravel()))
    for data in (
        head + values.astype(">u2").tobytes(),
        f"P3 # of words\n5 4\n1000\n{words}".encode(),
    ):
        np.testing.assert_allclose(read(file, data), values / 1000, atol=1e-5)
    np.testing.assert_allclose(
        read(file, b"P5 5 4 1000\n" + values[..., 0].astype(">u2").tobytes())[..., 0],
        values[..., 0] / 1000,
        atol=1e-5,
    )
    file.write_bytes(head + bytes(8))
    with pytest.raises(ValueError, match="truncated"):
        datasets.load_images([file])


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_16_are_found_and_said(file, bits):
    values = np.linspace(0, 2**bits - 1, 42).reshape(6, 7, 1).astype(np.uint16)
    with pytest.warns(UserWarning, match=f"of {bits} bits, divided by .* say so by scale="):
        X = read(file, deep_png(values))
    np.testing.assert_allclose(X, values / (2**bits - 1), atol=1e-7)
    X = read(file, deep_png(values), scale=Scale(0, 65535))
    np.testing.assert_allclose(X, values / 65535, atol=1e-7)


def test_integers_of_32_bits(file):
    values = RNG.integers(0, 2**32, (6, 7, 1)).astype(np.uint32)
    values[0, 0] = 2**32 - 1
    with pytest.warns(UserWarning, match="of 32 bits"):
        X = read(file, tiff(values))
    np.testing.assert_allclose(X, values / (2**32 - 1), atol=1e-6)
    signed = RNG.integers(-1000, 3000, (6, 7, 1)).astype(np.int32)
    file.write_bytes(tiff(signed, sample=2))
    with pytest.raises(ValueError, match=r"picture must be .* int32 from -.*scale=.*Scale\(-"):
        datasets.load_images([file])
    X = datasets.load_images([file], scale=Scale(-1024, 3071))[0]
    np.testing.assert_allclose(X, (signed + 1024) / 4095, atol=1e-6)


def test_floats_of_32_bits(file):
    values = RNG.random((6, 7, 1), np.float32)
    np.testing.assert_array_equal(read(file, tiff(values, sample=3)), values)
    with pytest.warns(UserWarning, match="with fractions: taken as bytes, divided by 255"):
        X = read(file, tiff(values * 254.5, sample=3))
    np.testing.assert_allclose(X, values * 254.5 / 255, rtol=1e-6)
    values[0, 0] = np.nan
    file.write_bytes(tiff(values, sample=3))
    with pytest.raises(ValueError, match="finite"):
        datasets.load_images([file])


def test_tiff_in_which_0_is_white(file):
    values = DEEP[..., :1]
    X = read(file, tiff(values, photometric=0))
    np.testing.assert_allclose(X, 1 - values / 65535, atol=1e-7)


def test_signed_bytes_are_not_taken_for_others(file):
    values = RNG.integers(-128, 128, (6, 7, 1)).astype(np.int8)
    file.write_bytes(tiff(values, sample=2))
    with pytest.raises(ValueError, match=r"from -\d+ to \d+; name .*Scale\(-"):
        datasets.load_images([file])
    X = datasets.load_images([file], scale=Scale(-128, 127))[0]
    np.testing.assert_allclose(X, (values + 128.0) / 255, atol=1e-6)


def test_kinds_of_tiff_that_are_not_read_are_said(file):
    file.write_bytes(tiff(RNG.random((6, 7, 3)), photometric=2, sample=3))
    with pytest.raises(ValueError, match="this kind of TIFF; save it with 8 or 16 bits"):
        datasets.load_images([file])


def test_planes_of_16_bits_are_refused_or_right(file):
    planes = np.ascontiguousarray(DEEP.transpose(2, 0, 1)).reshape(6, 7, 3)
    size = 6 * 7 * 2
    data = tiff(planes, photometric=2, t284=2, t273=[8, 8 + size, 8 + 2 * size], t279=[size] * 3)
    file.write_bytes(data)
    with pytest.raises(ValueError, match="lie in planes"):
        datasets.load_images([file])


def test_resized_pictures_of_16_bits(file):
    values = np.full((8, 8, 3), 40_000, np.uint16)
    X = read(file, deep_png(values), size=4)
    np.testing.assert_allclose(X, np.full((4, 4, 3), 40_000 / 65535), atol=1e-6)


def test_8_and_16_bits_in_one_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(deep_png(DEEP))
    Image.fromarray(COLOUR).save(tmp_path / "a/2.png")
    X, _, _ = data = datasets.load_image_folder(tmp_path)
    np.testing.assert_allclose(X, [DEEP / 65535, COLOUR / 255], atol=1e-6)
    assert data.scale == Scale(0, 65535)


def test_pictures_of_0_and_1(file):
    mask = RNG.integers(0, 2, (6, 7), np.uint8)
    Image.fromarray(mask).save(file, "PNG")
    with pytest.warns(UserWarning, match="hold only 0 and 1: taken as black and white"):
        X = datasets.load_images([file])[0, ..., 0]
    np.testing.assert_array_equal(X, mask)
    X = datasets.load_images([file], scale=Scale(0, 1))[0, ..., 0]
    np.testing.assert_array_equal(X, mask)
    X = datasets.load_images([file], scale=Scale(0, 255))[0, ..., 0]
    np.testing.assert_allclose(X, mask / 255)


def test_8_bits_say_themselves_what_is_white(file):
    Image.fromarray(COLOUR).save(file, "PNG")
    for scale in (Scale(0, 1), Scale(0, 16), Scale(0, 4095)):
        X = datasets.load_images([file], scale=scale)[0]
        np.testing.assert_allclose(X, COLOUR / 255, rtol=1e-6)


def test_scales_that_are_none(file):
    Image.fromarray(COLOUR).save(file, "PNG")
    with pytest.raises(TypeError, match=r"scale must be a cnn\.datasets\.Scale.*, not 255"):
        datasets.load_images([file], scale=255)


def test_16_bits_say_themselves_what_is_white_to_a_network_of_bytes(file):
    X = read(file, deep_png(DEEP), scale=Scale(0, 255))
    np.testing.assert_allclose(X, DEEP / 65535, atol=1e-7)


# Transparency


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_transparent_grey_is_white_and_no_other(file, depth):
    values = np.arange(16) % 2**depth * (4369 if depth == 16 else 1)
    row = int("".join(f"{value:0{depth}b}" for value in values), 2).to_bytes(2 * depth, "big")
    key, white = values[1], 2**depth - 1
    data = png((1, 16), depth, GREY, b"\0" + row, chunk(b"tRNS", struct.pack(">H", key)))
    X = read(file, data, scale=Scale(0, max(white, 255)))
    np.testing.assert_allclose(X[0, :, 0], np.where(values == key, 1, values / white), atol=1e-6)


def test_the_transparent_colour_is_white_and_no_other(file):
    key = chunk(b"tRNS", struct.pack(">3H", *DEEP[2, 3]))
    near = DEEP.copy()
    near[2, 4] = near[2, 3] ^ 1  # the same but for the lowest bits
    expected = near / 65535
    expected[2, 3] = 1
    np.testing.assert_allclose(read(file, deep_png(near, key)), expected, atol=1e-6)
    key = chunk(b"tRNS", struct.pack(">3H", *COLOUR[2, 3]))
    data = b"".join(b"\0" + row.tobytes() for row in COLOUR)
    expected = COLOUR / 255
    expected[2, 3] = 1
    np.testing.assert_allclose(read(file, png((6, 7), 8, 2, data, key)), expected, atol=1e-6)


@pytest.mark.parametrize("alphas", [b"\x80\x00", b"\xff\x00"])
def test_transparent_colours_of_a_palette(file, alphas):
    palette = chunk(b"PLTE", bytes([0, 0, 0, 10, 20, 30, 40, 50, 60]))
    data = png((1, 3), 8, PALETTE, b"\0\0\1\2", palette, chunk(b"tRNS", alphas))
    first = 1 - alphas[0] / 255
    expected = [[first] * 3, [1, 1, 1], np.array([40, 50, 60]) / 255]
    np.testing.assert_allclose(read(file, data)[0], expected, atol=1 / 255)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_16_bits(file, channels):
    values = RNG.integers(0, 65536, (6, 7, channels)).astype(np.uint16)
    values[0, 0], values[1, 1, -1] = 65535, 0
    alpha = values[..., -1:] / 65535
    expected = values[..., :-1] / 65535 * alpha + 1 - alpha
    np.testing.assert_allclose(read(file, deep_png(values)), expected, atol=1e-6)


@pytest.mark.parametrize("kind", [1, 2])
def test_alpha_of_a_tiff_of_16_bits(file, kind):
    values = RNG.integers(1, 65536, (6, 7, 4)).astype(np.uint16)
    values[0, 0] = 65535
    alpha = values[..., -1:] / 65535
    expected = values[..., :-1] / 65535 * alpha + 1 - alpha
    if kind == 1:  # the colours are times alpha already
        values[..., :-1] = np.rint(values[..., :-1] * alpha)
    X = read(file, tiff(values, photometric=2, t338=kind))
    np.testing.assert_allclose(X, expected, atol=2e-5)


def test_transparent_pixels_of_12_bits_do_not_make_them_16(file):
    values = np.linspace(0, 4095, 42).reshape(6, 7, 1).astype(np.uint16)
    with pytest.warns(UserWarning, match="of 12 bits"):
        X = read(file, deep_png(values, chunk(b"tRNS", struct.pack(">H", 0))))
    expected = values / 4095
    expected[0, 0] = 1
    np.testing.assert_allclose(X, expected, atol=1e-6)


# Damage beside the pixels


def jpeg(**how):
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 16, 3), 99, np.uint8)).save(buffer, "JPEG", **how)
    return buffer.getvalue()


LARGE = zlib.compress(bytes(3_000_000))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iCCP", b"profile\0\0" + LARGE),
        chunk(b"iCCP", b"profile\0\7" + LARGE),
        chunk(b"zTXt", b"comment\0\0" + LARGE),
        chunk(b"zTXt", b"comment\0\5" + LARGE),
        chunk(b"iTXt", b"comment\0\1\0\0\0" + LARGE),
        chunk(b"tEXt", b"comment\0broken", crc=1),
        chunk(b"eXIf", b"MM\0*broken", crc=1),
        chunk(b"gAMA", b""),
        chunk(b"pHYs", b"1"),
        chunk(b"fcTL", b"1"),
        chunk(b"acTL", b"1"),
    ],
)
def test_png_with_damage_beside_its_pixels(file, extra):
    data = b"".join(b"\0" + row.tobytes() for row in COLOUR)
    exif = Image.Exif()
    exif[274] = 6
    turned = chunk(b"eXIf", exif.tobytes()[6:])
    X = read(file, png((6, 7), 8, 2, data, extra, turned))
    np.testing.assert_allclose(X, np.rot90(COLOUR, -1) / 255, rtol=1e-6)
    whole = png((6, 7), 8, 2, data)
    X = read(file, whole[:-12] + extra + whole[-12:])  # after the pixels
    np.testing.assert_allclose(X, COLOUR / 255, rtol=1e-6)


def test_png_with_damaged_pixels_is_refused(file):
    data = b"".join(b"\0" + row.tobytes() for row in COLOUR)
    whole = png((6, 7), 8, 2, data)
    for broken in (whole[:80], whole[:60] + b"?" + whole[61:]):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match="picture cannot be read as an image"):
            datasets.load_images([file])


@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xED, 0xEE, 0xFE])
@pytest.mark.parametrize(
    "body",
    [
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01",
        b"Exif\0\0",
        b"MPF\0MM\0*\0\0\0\x08\0\x01",
        b"ICC_PROFILE\0\x01",
        b"Photoshop 3.0\x008BIM\x04\x04",
        b"http://ns.adobe.com/xap/1.0/\0<broken",
        b"",
    ],
)
def test_jpeg_with_damage_beside_its_pixels(file, marker, body):
    whole = jpeg()
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
    X = read(file, whole[:2] + segment + whole[2:])
    np.testing.assert_allclose(X, np.full((8, 16, 3), 99 / 255), atol=0.02)


def test_jpeg_is_turned_though_other_metadata_are_damaged(file):
    exif = Image.Exif()
    exif[274] = 6
    whole = jpeg(exif=exif)
    broken = b"\xff\xe2" + struct.pack(">H", 16) + b"ICC_PROFILE\0\1\1"[:14]
    assert read(file, whole[:2] + broken + whole[2:]).shape == (16, 8, 3)


def test_large_photographs_are_read_if_they_are_allowed(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (1000, 1000)).save(path)
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ValueError, match="over 1,000; if it is no trap give max_pixels=1000000"):
        datasets.load_images([path], size=4, max_pixels=1_000)
    with pytest.raises(ValueError, match="max_pixels=1000000"):
        datasets.load_images([path], size=4, max_pixels=600_000)
    assert datasets.load_images([path], size=4, max_pixels=1_000_000).shape == (1, 4, 4, 1)
    assert limit == Image.MAX_IMAGE_PIXELS
    with pytest.raises(ValueError, match="max_pixels must be at least 1, not 0"):
        datasets.load_images([path], max_pixels=0)


def test_names_that_would_steer_a_terminal(tmp_path):
    path = tmp_path / "a\x1b[2Jb\nc\u202e.png"
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="cannot be read") as caught:
        datasets.load_images([path])
    assert str(caught.value).isprintable()
    assert r"a\x1b[2Jb\nc\u202e.png" in str(caught.value)


def test_threads_that_read_at_once(file):
    file.write_bytes(deep_png(DEEP))
    got = []
    limit = Image.MAX_IMAGE_PIXELS
    threads = [
        threading.Thread(
            target=lambda most=most: got.append(datasets.load_images([file], max_pixels=most))
        )
        for most in (None, 100, 1000, 10**9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert limit == Image.MAX_IMAGE_PIXELS
