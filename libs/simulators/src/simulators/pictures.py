"""Draws PNG pictures from a hash: the pattern is cached compressed, the colours are put in per picture."""

import io
import math
import random
import struct
import zlib
from functools import lru_cache
from itertools import pairwise

import pybase64

PATTERNS = 4
PALETTES = 64
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST_SIDE = 8_192
STRIPE = 5
CACHED_BYTES = 24 * 2**20


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _wave(length: int, swings: float, height: float, phase: float) -> bytes:
    step = 2 * math.pi * swings / length
    return bytes(int(height * (1 + math.sin(phase + step * i))) & 0xFF for i in range(length))


def _rows(width: int, height: int, pattern: int) -> bytes:
    """Interfering waves with a grain, one palette index per pixel, each row led by its filter byte.

    Whole rows are added as long integers, byte lanes kept apart by masking the carries: a picture of a million
    pixels takes some 30 ms without any numeric library.
    """
    dice = random.Random(pattern)
    across = int.from_bytes(_wave(width, 1.5 + pattern, 52, pattern))
    diagonal = _wave(width + height, 2.2 + pattern / 2, 40, 1 + pattern)
    down = _wave(height, 1 + pattern / 3, 34, 2 + pattern)
    ones = int.from_bytes(b"\x01" * width)
    low, high = ones * 0x7F, ones * 0x80

    def plus(a: int, b: int) -> int:
        return (a & low) + (b & low) ^ ((a ^ b) & high)

    def minus(a: int, b: int) -> int:
        return (a | high) - (b & low) ^ ((a ^ ~b) & high)

    rows = bytearray()
    before = 0
    for y in range(0, height, STRIPE):
        row = plus(plus(across, int.from_bytes(diagonal[y : y + width])), ones * down[y])
        # The grain gives the picture the weight of a real one.
        row ^= dice.getrandbits(8 * width) & dice.getrandbits(8 * width) & ones
        # Filter "up": each byte is the difference to the one above, so a repeated row is all zeros.
        rows += b"\x02" + minus(row, before).to_bytes(width)
        rows += (b"\x02" + bytes(width)) * (min(STRIPE, height - y) - 1)
        before = row
    return bytes(rows)


def _colours(palette: int) -> bytes:
    """256 colours: a closed walk through five of them, so that waves have no seams."""
    dice = random.Random(1_000 + palette)
    stops = [[dice.randrange(256) for _ in range(3)] for _ in range(4)]
    walk = bytearray()
    for start, end in pairwise([*stops, stops[0]]):
        for step in range(64):
            walk += bytes((a * (64 - step) + b * step) // 64 for a, b in zip(start, end, strict=True))
    return bytes(walk)


@lru_cache(maxsize=PALETTES)
def _palette(palette: int) -> bytes:
    return _chunk(b"PLTE", _colours(palette))


class Shelf:
    """Compressed patterns, as bytes and as base64, bounded by weight."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, int], tuple[bytes, bytes]] = {}

    def pattern(self, width: int, height: int, pattern: int) -> tuple[bytes, bytes]:
        """The IDAT and IEND chunks of a size and pattern; drawn at first use, 30 ms for a million pixels."""
        key = (width, height, pattern)
        kept = self._kept.get(key)
        if kept is None:
            tail = _chunk(b"IDAT", zlib.compress(_rows(width, height, pattern), 4)) + _chunk(b"IEND", b"")
            kept = (tail, pybase64.b64encode(tail))
            self._kept[key] = kept
            while len(self._kept) > 1 and sum(len(a) + len(b) for a, b in self._kept.values()) > CACHED_BYTES:
                self._kept.pop(next(iter(self._kept)), None)
        return kept


_shelf = Shelf()


def _split(seed: bytes, width: int, height: int, *, transparent: bool) -> tuple[bytes, tuple[bytes, bytes]]:
    if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
        raise ValueError("no such size")
    head = (
        SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _palette(seed[0] % PALETTES)
    )
    if transparent:
        head += _chunk(b"tRNS", bytes(64))
    mark = b"Comment\0" + seed.hex().encode()
    # Padded so that the part before the pattern is a whole number of base64 groups.
    mark += b" " * (-(len(head) + 12 + len(mark)) % 3)
    return head + _chunk(b"tEXt", mark), _shelf.pattern(width, height, seed[1] % PATTERNS)


def png(seed: bytes, width: int, height: int, *, transparent: bool = False) -> bytes:
    """A PNG of that size whose colours and pattern come from the seed, and whose bytes no other seed shares."""
    head, (tail, _) = _split(seed, width, height, transparent=transparent)
    return head + tail


def png_base64(seed: bytes, width: int, height: int, *, transparent: bool = False) -> bytes:
    """The same picture in base64, without encoding the pattern again."""
    head, (_, tail) = _split(seed, width, height, transparent=transparent)
    return pybase64.b64encode(head) + tail


def encoded(seed: bytes, width: int, height: int, kind: str, quality: int = 90) -> bytes:
    """The same picture as jpeg or webp; costs tens of milliseconds, so run it in a thread."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png(seed, width, height))) as picture:
        if kind == "jpeg":
            picture.convert("RGB").save(out, "JPEG", quality=quality, comment=seed.hex().encode())
        else:
            picture.convert("RGB").save(out, "WEBP", quality=quality, method=0, xmp=seed.hex().encode())
    return out.getvalue()


def kind_of(body: bytes) -> str | None:
    """png, jpeg or webp by the first bytes; None for anything else."""
    if body.startswith(SIGNATURE):
        return "png"
    if body.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "webp" if body[:4] == b"RIFF" and body[8:12] == b"WEBP" else None
