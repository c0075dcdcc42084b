"""Files of pictures as arrays, with Pillow: all levels, upright, on white."""

from __future__ import annotations

import io
import re
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.checks import printable
from cnn.scale import Range

Sides = tuple[int, int]

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none that runs other programs
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as Pillow has it: ITU-R 601-2
_BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLE_FORMAT = 258, 262, 274, 339  # tags of TIFF and EXIF
_LIMIT = threading.Lock()  # of the one number that Pillow has for all threads
_PNG = b"\x89PNG\r\n\x1a\n"
_CRITICAL = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}  # chunks that pixels need
_APPLICATION = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # segments that pixels do not need
_TURNS = (
    "FLIP_LEFT_RIGHT",
    "ROTATE_180",
    "FLIP_TOP_BOTTOM",
    "TRANSPOSE",
    "ROTATE_270",
    "TRANSVERSE",
    "ROTATE_90",
)  # for the orientations from 2


class ImageFileError(ValueError):
    """A file that cannot be read as an image: its path and the reason."""

    def __init__(self, path: Path, reason: object) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{printable(path)} cannot be read as an image: {printable(reason)}")

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back from another process
        return type(self), (self.path, self.reason)


@dataclass
class Picture:
    """A decoded picture.

    pixels: (height, width, 1 or 3), of bytes, or float32 where they have more than 8 bits; these
    are dark where they are transparent, and `light` (height, width, 1) says how much of white
    shines through there, or is None. found: the range of what is in the file.
    """

    pixels: NDArray[Any]
    light: NDArray[np.float32] | None
    found: Range

    @property
    def deep(self) -> bool:
        """Whether the pixels have more than 8 bits."""
        return self.pixels.dtype != np.uint8


def decoded(
    path: Path, sides: Sides | None, channels: int | None, max_pixels: int | None
) -> Picture:
    """Return the picture in a file, grey if it is or is to be, of the size that is wanted.

    Raises ImageFileError, or an OSError, for a file that is no picture, damaged or too large.
    """
    with _opened(path, max_pixels) as file:
        try:
            return _picture(file, sides, channels)
        except MemoryError:
            raise
        except Exception:
            for bare in _without_metadata(file):
                with suppress(Exception):
                    return _picture(io.BytesIO(bare), sides, channels)
            raise


def is_picture(path: Path) -> bool:
    """Tell whether a file begins as a picture does, whatever its name."""
    try:
        with _opened(path, sys.maxsize) as file:  # which is not read
            file.seek(0)
            with pillow().open(file, formats=_FORMATS):
                return True
    except (ImageFileError, OSError):
        return False


def pillow() -> Any:
    """Return Pillow's module Image; ImportError, with the cure, without it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("images need Pillow: pip install 'gacnn[images]'") from error
    return Image


@contextmanager
def _opened(path: Path, max_pixels: int | None) -> Iterator[IO[bytes]]:
    """Open the file of an image; what then fails is an ImageFileError."""
    Image = pillow()
    if path.exists() and not path.is_file():  # a pipe would never end
        raise ImageFileError(path, "it is no file")
    with path.open("rb") as file, warnings.catch_warnings(), _allowed(max_pixels):
        warnings.simplefilter("ignore")  # Pillow's, of trifles
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if not file.read(1):
            raise ImageFileError(path, "it is empty")
        try:
            yield file
        except (ImageFileError, MemoryError):
            raise
        except Image.UnidentifiedImageError as error:
            raise ImageFileError(path, _unknown(file)) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageFileError(path, _too_large(error, Image.MAX_IMAGE_PIXELS)) from error
        except Exception as error:
            raise ImageFileError(path, error) from error


@contextmanager
def _allowed(max_pixels: int | None) -> Iterator[None]:
    """Let Pillow open images of so many pixels; None for its own limit."""
    if max_pixels is None:
        yield
        return
    Image = pillow()
    with _LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _unknown(file: IO[bytes]) -> str:
    file.seek(0)
    start = file.read(8)
    if start[:4] in (b"II*\0", b"MM\0*"):
        return "Pillow does not read this kind of TIFF; save it with 8 or 16 bits a colour"
    if start[4:] == b"ftyp":  # of ISO's base media files
        return "it is HEIC or AVIF, as phones write them, or a film; save it as JPEG or PNG"
    return f"it is no kind of image among {', '.join(_FORMATS)}"


def _too_large(error: Exception, limit: int) -> str:
    pixels = re.search(r"\((\d+) pixels\)", str(error))
    number = int(pixels[1]) if pixels else limit + 1
    return f"it has {number:,} pixels, over {limit:,}; if it is no trap give max_pixels={number}"


def _picture(file: IO[bytes], sides: Sides | None, channels: int | None) -> Picture:
    with pillow().open(file, formats=_FORMATS) as image:
        tiles, rawmode = image.tile, _rawmode(image)
        levels = _colours(file, image, tiles, rawmode)
        image.load()
        grey = image.mode.startswith(("1", "L", "I", "F"))
        if levels is None and (image.mode.startswith(("I", "F")) or _is_signed(image)):
            levels = _greys(image)
        if levels is None:
            return _shallow(image, rawmode, sides, "L" if grey or channels == 1 else "RGB")
        return _deep(image, levels, sides, channels)


def _rawmode(image: Any) -> str:
    """Return how pixels lie in the file, in Pillow's words, such as L;4 and RGB;16B."""
    arguments = image.tile[0][3] if image.tile else ""
    first = arguments if isinstance(arguments, str) else (arguments or ("",))[0]
    return first if isinstance(first, str) else ""


def _turned(image: Any, planes: list[Any], sides: Sides | None) -> list[Any]:
    """Return planes of an image upright and of the size that is wanted."""
    Image = pillow()
    try:
        turn = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 # whatever is wrong with it, the pixels are whole
        turn = None
    if turn in range(2, 9):
        planes = [each.transpose(Image.Transpose[_TURNS[turn - 2]]) for each in planes]
    if sides and planes[0].size != sides[::-1]:
        planes = [each.resize(sides[::-1], Image.Resampling.BILINEAR) for each in planes]
    return planes


# Pictures of 8 bits


def _shallow(image: Any, rawmode: str, sides: Sides | None, mode: str) -> Picture:
    Image = pillow()
    flat = image
    if image.has_transparency_data:
        flat = _with_alpha(image, rawmode)
        flat = Image.alpha_composite(Image.new("RGBA", flat.size, "white"), flat)
    pixels = np.atleast_3d(np.asarray(_turned(image, [flat.convert(mode)], sides)[0]))
    return Picture(pixels, None, Range.of(pixels, "a picture"))


def _with_alpha(image: Any, rawmode: str) -> Any:
    """Return an image as RGBA, clear where it has the colour that stands for clear."""
    key = image.info.get("transparency")
    if image.format == "PNG" and rawmode in ("L;2", "L;4"):  # Pillow does not scale the key
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[rawmode]
    return image.convert("RGBA")


# Pictures of more than 8 bits


class _Levels(NamedTuple):
    """Values (height, width, 1 or 3), times alpha; alpha (height, width, 1) of [0, 1] or None."""

    values: NDArray[Any]
    alpha: NDArray[np.float32] | None
    found: Range

    @classmethod
    def of(cls, values: NDArray[Any], alpha: NDArray[Any] | None) -> _Levels:
        """Return levels of values that alpha is not in yet."""
        found = Range.of(values, "a picture")
        return cls(values if alpha is None else values * alpha, alpha, found)


def _deep(image: Any, levels: _Levels, sides: Sides | None, channels: int | None) -> Picture:
    values = levels.values.astype(np.float32)
    if channels == 1 and values.shape[2] == 3:
        values = values @ np.array(_GREY, np.float32)[:, None]
    planes = [values] if levels.alpha is None else [values, 1 - levels.alpha]
    bands = [plane[..., band] for plane in planes for band in range(plane.shape[2])]
    turned = _turned(image, [pillow().fromarray(band) for band in bands], sides)
    pixels = np.dstack([np.asarray(band) for band in turned])
    number = values.shape[2]
    return Picture(
        pixels[..., :number], pixels[..., number:] if len(planes) > 1 else None, levels.found
    )


def _is_signed(image: Any) -> bool:
    """Whether bytes are from -128 to 127, which Pillow takes for others."""
    formats = image.tag_v2.get(_SAMPLE_FORMAT, (1,)) if image.format == "TIFF" else (1,)
    return image.mode == "L" and bool(formats[0] == 2)


def _greys(image: Any) -> _Levels:
    """Return the levels of a grey image of 16 or 32 bits, or of signed bytes."""
    values: NDArray[Any] = np.asarray(image)
    if _is_signed(image):
        values = values.view(np.int8).astype(np.int16)
    elif image.format == "TIFF":
        tags = image.tag_v2
        if values.dtype == np.int32 and tags.get(_SAMPLE_FORMAT, (1,))[0] == 1:
            values = values.view(np.uint32)
        if values.dtype.itemsize == 2 and tags.get(_PHOTOMETRIC) == 0:  # where 0 is white
            values = 65535 - values
    elif image.format == "PPM" and values.dtype == np.int32:
        values = values.astype(np.uint16)
    values = values[..., None]
    return _Levels.of(values, _alpha_of_key(values, image))


def _colours(file: IO[bytes], image: Any, tiles: list[Any], rawmode: str) -> _Levels | None:
    """Return the levels of a picture of 16 bits a colour, of which Pillow keeps only 8; or None.

    Pillow takes one of the two bytes of a number: the high one, and the low one where it is told
    that they lie the other way round.
    """
    if rawmode == "RGB" and tiles[0][0] in ("ppm", "ppm_plain") and tiles[0][3][1] > 255:
        return _Levels.of(_ppm(file, tiles[0], image.size), None)
    if image.format == "TIFF" and len(rawmode) == 1 and max(image.tag_v2.get(_BITS, (1,))) > 8:
        raise ValueError("its colours of 16 bits lie in planes; save it with them interleaved")
    mode, _, kind = rawmode.partition(";")
    if mode == "LA" and kind == "16B":
        values = _bytes_of(file, "RGBA").view(">u2").astype(np.uint16)
    elif mode in ("RGB", "RGBX", "RGBA", "RGBa") and kind in ("16B", "16L", "16N"):
        native = "16L" if sys.byteorder == "little" else "16B"
        orders = (
            ("16B", "16L") if kind == "16B" or (kind, native) == ("16N", "16B") else ("16L", "16B")
        )
        mode = mode.replace("RGBa", "RGBA")  # the values are times alpha as they are
        high, low = (_bytes_of(file, f"{mode};{order}") for order in orders)
        values = high.astype(np.uint16) * np.uint16(256) + low
    else:
        return None
    if values.shape[2] == 3:
        return _Levels.of(values, _alpha_of_key(values, image))
    return _alpha_apart(values, rawmode.startswith("RGBa"))


def _alpha_of_key(values: NDArray[Any], image: Any) -> NDArray[np.float32] | None:
    """Return alpha (height, width, 1), 0 where pixels have the colour that stands for clear."""
    key = image.info.get("transparency")
    return None if key is None else (values != key).any(axis=2, keepdims=True).astype(np.float32)


def _alpha_apart(values: NDArray[np.uint16], times_alpha: bool) -> _Levels:
    colours, alpha = values[..., :-1], (values[..., -1:] / 65535).astype(np.float32)
    if times_alpha:
        return _Levels(colours, alpha, Range.of(colours, "a picture"))
    return _Levels.of(colours, alpha)


def _bytes_of(file: IO[bytes], rawmode: str) -> NDArray[np.uint8]:
    """Return the pixels of an image whose file is read as if they lay so."""
    file.seek(0)
    with pillow().open(file, formats=_FORMATS) as image:
        image.tile = [_other(tile, rawmode) for tile in image.tile]
        image.load()
        return np.array(image)


def _other(tile: Any, rawmode: str) -> Any:
    """Return the place of pixels in a file with another rawmode."""
    arguments = rawmode if isinstance(tile[3], str) else (rawmode, *tile[3][1:])
    parts = (*tile[:3], arguments)
    return parts if type(tile) is tuple else tile._make(parts)  # as it is before Pillow 11


def _ppm(file: IO[bytes], tile: Any, size: tuple[int, int]) -> NDArray[np.uint16]:
    """Return colours of a PPM file, as numbers of 16 bits."""
    decoder, _, offset, (_, most) = tile
    number = 3 * size[0] * size[1]
    file.seek(offset)
    if decoder == "ppm_plain":
        words = re.sub(rb"#[^\n]*", b"", file.read()).split()[:number]
        values = np.array(words, np.int64)
    else:
        values = np.frombuffer(file.read(2 * number), ">u2").astype(np.int64)
    if len(values) < number:
        raise ValueError("it is truncated")
    deep: NDArray[np.uint16] = np.rint(values.clip(0, most) * (65535 / most)).astype(np.uint16)
    return deep.reshape(size[1], size[0], 3)


# Metadata


def _without_metadata(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a PNG or JPEG file without what is no pixels: with its EXIF data, then without."""
    file.seek(0)
    data = file.read()
    if data.startswith(_PNG):
        chunks = list(_chunks(data))
        for kept in ({*_CRITICAL, b"eXIf"}, _CRITICAL):
            yield _PNG + b"".join(chunk for kind, chunk in chunks if kind in kept)
    elif data.startswith(b"\xff\xd8"):
        segments = list(_segments(data))
        for exif in (b"Exif", b"no"):
            yield b"".join(
                each for marker, each in segments if marker not in _APPLICATION or each[4:8] == exif
            )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG file, and their kind; other than critical ones only if whole."""
    place = len(_PNG)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunk = data[place : place + 12 + length]
        kind = chunk[4:8]
        if kind in _CRITICAL or zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big"):
            yield kind, chunk
        place += 12 + length


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the segments of a JPEG file and their markers; the last is the picture."""
    yield 0xD8, data[:2]
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] not in (b"\xda", b""):
        length = 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        yield data[place + 1], data[place : place + length]
        place += length
    yield 0xDA, data[place:]
