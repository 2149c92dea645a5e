"""Makes playable MP4s: H.264 and, on request, AAC; encoded once per shape, told apart by a trailing box."""

import asyncio
import io
import math
import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FPS = 24
SAMPLE_RATE = 44_100
TONE_HZ = 220
LONGEST_S = 60
CACHED_BYTES = 24 * 2**20


@dataclass(frozen=True, slots=True)
class Shape:
    """What films of one kind have in common."""

    width: int
    height: int
    seconds: int
    audio: bool = False


def _frames(width: int, height: int) -> Iterator[Any]:
    """One second: a square goes once around on a shaded ground, so that the second can be repeated seamlessly."""
    import av

    ground = bytearray()
    for y in range(height):
        ground += bytes([40 + 120 * y // height]) * width
    side = max(8, min(width, height) // 5) & ~1
    for number in range(FPS):
        angle = 2 * math.pi * number / FPS
        left = int((width - side) / 2 * (1 + 0.8 * math.cos(angle)))
        top = int((height - side) / 2 * (1 + 0.8 * math.sin(angle)))
        luma = bytearray(ground)
        for y in range(top, top + side):
            luma[y * width + left : y * width + left + side] = b"\xe0" * side
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, rows in zip(frame.planes, (luma, None, None), strict=True):
            stride = plane.line_size
            if rows is None:
                plane.update(bytes([110 + 40 * (plane is frame.planes[1])]) * (stride * plane.height))
            elif stride == width:
                plane.update(bytes(rows))
            else:
                pad = bytes(stride - width)
                plane.update(b"".join(bytes(rows[y * width : (y + 1) * width]) + pad for y in range(height)))
        frame.pts = number
        yield frame


def _tone(stream: Any, seconds: int) -> Iterator[Any]:
    """A quiet tone of that length."""
    import av

    period = b"".join(
        struct.pack("<f", 0.1 * math.sin(2 * math.pi * TONE_HZ * i / SAMPLE_RATE)) for i in range(SAMPLE_RATE // 10)
    )  # a tenth of a second holds whole swings
    samples = 1024
    looped = period + period[: samples * 4]
    for start in range(0, SAMPLE_RATE * seconds, samples):
        frame = av.AudioFrame("fltp", "mono", samples)
        at = start % (SAMPLE_RATE // 10) * 4
        piece = looped[at : at + samples * 4]
        frame.planes[0].update(piece + bytes(frame.planes[0].buffer_size - len(piece)))
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        yield from stream.encode(frame)
    yield from stream.encode(None)


def encode(shape: Shape) -> bytes:
    """The film, without its mark. Encodes one second of pictures and repeats the packets."""
    import av

    if shape.width % 2 or shape.height % 2 or not (1 <= shape.seconds <= LONGEST_S):
        raise ValueError("no such film")
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        video: Any = film.add_stream(
            "libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency", "crf": "30", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt, video.gop_size = shape.width, shape.height, "yuv420p", FPS
        audio: Any = film.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if shape.audio else None
        second = [
            (bytes(p), p.pts, p.is_keyframe) for f in _frames(shape.width, shape.height) for p in video.encode(f)
        ]
        second += [(bytes(p), p.pts, p.is_keyframe) for p in video.encode(None)]
        for turn in range(shape.seconds):
            for body, pts, is_key in second:
                packet = av.Packet(body)
                packet.stream, packet.time_base = video, video.codec_context.time_base
                packet.pts = packet.dts = pts + turn * FPS
                packet.duration, packet.is_keyframe = 1, is_key
                film.mux(packet)
        if audio is not None:
            for sound in _tone(audio, shape.seconds):
                film.mux(sound)
    return out.getvalue()


def marked(film: bytes, seed: bytes) -> bytes:
    """The film with a `free` box at its end that no other seed shares; players skip it."""
    mark = seed.hex().encode()
    return film + struct.pack(">I4s", 8 + len(mark), b"free") + mark


class Studio:
    """Encodes each shape once, in a thread, and keeps the recent ones, bounded by weight."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Shape, bytes] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def film(self, shape: Shape, seed: bytes) -> bytes:
        """The film of that shape with the seed's mark."""
        kept = self._kept.get(shape)
        if kept is None:
            async with self._one_at_a_time:
                kept = self._kept.get(shape)
                if kept is None:
                    kept = await asyncio.to_thread(encode, shape)
                    self._keep(shape, kept)
        return marked(kept, seed)

    def _keep(self, shape: Shape, film: bytes) -> None:
        self._kept[shape] = film
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > CACHED_BYTES:
            self._kept.popitem(last=False)
