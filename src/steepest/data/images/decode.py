"""One image file: from its bytes to 8-bit pixels, grey or colour."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from steepest.data.images.pixels import MOST_PIXELS, Pixels
from steepest.errors import DataError, OptionError

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
)  # fmt: skip
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""The decoders that are tried; others of Pillow start programs or are rarely used."""
_ANIMATED = ("GIF", "PNG", "WEBP", "TIFF")
"""Those whose further images are frames or pages; those of a JPEG file are previews."""
_GREY = ("1", "L", "LA", "La")


def pillow() -> Any:
    """Return Pillow's module of images.

    Raises:
        OptionError: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise OptionError(
            "reading image files needs Pillow, which is not installed", hint="pip install '.[images]'."
        ) from error
    return Image


@contextmanager
def quietly() -> Generator[None]:
    """Keep Pillow from warning about odd metadata inside the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decoded(content: bytes, name: str) -> tuple[Pixels, bool]:
    """Return an image as ``[1, H, W]`` or ``[3, H, W]``, upright, and whether it was transparent.

    Transparent pixels are shown on white.

    Args:
        content: the file's bytes.
        name: for messages.

    Raises:
        DataError: it is no image, is damaged, is too large to be decoded, or has pixels of other than 8 or 16 bits.
    """
    Image = pillow()
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            width, height = image.size
            if image.format in _ANIMATED and getattr(image, "is_animated", False):
                raise DataError(
                    f"{name} has {image.n_frames:,} images in one file",
                    hint="save each as a file of its own, or leave it out.",
                )
            if width * height > MOST_PIXELS:
                raise _too_large(f"{width:,} × {height:,} pixels", name)
            return _upright(image, Image, name)
    except Image.DecompressionBombError as error:
        found = re.search(r"[0-9]+", str(error))
        raise _too_large(f"{int(found[0]):,} pixels" if found else "too many pixels", name) from None
    except (
        OSError, SyntaxError, ValueError, struct.error, EOFError, IndexError, KeyError, TypeError, zlib.error,
        AttributeError, OverflowError, AssertionError, MemoryError, NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip
        reason = "no image that can be read" if isinstance(error, Image.UnidentifiedImageError) else "damaged"
        raise DataError(
            f"{name} is {reason} ({len(content):,} bytes)",
            hint="leave it out, or save it again as PNG or JPEG.",
        ) from error


def _upright(image: Any, Image: Any, name: str) -> tuple[Pixels, bool]:
    from PIL import ImageOps

    image.load()
    image = ImageOps.exif_transpose(image)
    mode: str = image.mode
    if mode.startswith("I;16"):  # Pillow would clip at 255
        wide = np.asarray(image).astype(np.uint16)
        return (wide >> 8).astype(np.uint8)[None], False
    if mode in ("I", "F"):
        raise DataError(
            f"{name} has pixels of 32 bits", hint="save it with 8 bits for each channel, such as PNG or JPEG."
        )
    transparent = mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    grey = mode in _GREY
    if transparent:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        transparent = image.getextrema()[3][0] < 255
        image = Image.alpha_composite(white, image)
    if grey:
        return np.array(image.convert("L"), dtype=np.uint8)[None], transparent
    return np.ascontiguousarray(
        np.asarray(image.convert("RGB"), dtype=np.uint8).transpose(2, 0, 1)
    ), transparent


def _too_large(what: str, name: str) -> DataError:
    return DataError(
        f"{name} has {what}, more than the {MOST_PIXELS / 1e6:.0f} million that are decoded",
        hint="make it smaller, or leave it out.",
    )
