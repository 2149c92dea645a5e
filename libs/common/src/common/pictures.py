"""What kind of picture bytes are, and whether they end as a whole one does; decides nothing about either."""

HEAD_BYTES = 12
"""How much of the beginning must be seen."""
TAIL_BYTES = 64
"""Where a picture's end mark is looked for: some encoders put a few bytes behind it."""


def type_of(head: bytes) -> str | None:
    """The media type that a picture's first bytes name; None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def is_whole(head: bytes, tail: bytes, size_bytes: int) -> bool:
    """Whether a picture has its end; False for what is none of these kinds.

    ``head`` and ``tail`` are its first ``HEAD_BYTES`` and last ``TAIL_BYTES``, or more.
    """
    end = tail[-TAIL_BYTES:]
    match type_of(head):
        case "image/png":
            return b"IEND\xaeB`\x82" in end
        case "image/jpeg":
            return b"\xff\xd9" in end
        case "image/gif":
            # The trailer alone is a semicolon, which any bytes may hold: it follows the end of a block.
            return end.rstrip(b"\0").endswith(b"\0;")
        case "image/webp":
            return int.from_bytes(head[4:8], "little") + 8 <= size_bytes
        case _:
            return False
