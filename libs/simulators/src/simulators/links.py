"""Links to outputs that say all about them: signed, expiring, and good for any media host with the same key."""

import hashlib
import hmac
import re
import time
from dataclasses import dataclass

DEFAULT_KEY = "reapi stand-in links"
VARIANTS = {"ok", "slow", "truncated", "html", "oversized", "empty"}
MEDIA_TYPES = {
    "png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "mp4": "video/mp4",
}  # fmt: skip

_PATH = re.compile(
    r"/files/(?P<variant>[a-z]+)(?:-(?P<size>\d{1,13}))?/(?P<seed>[0-9a-f]{32})/"
    r"(?P<width>\d{1,5})x(?P<height>\d{1,5})(?:-(?P<seconds>\d{1,2})s)?(?P<audio>-audio)?\.(?P<kind>[a-z0-9]{3,4})"
)


@dataclass(frozen=True, slots=True)
class Output:
    """One output, fully described: the bytes can be made again from this alone."""

    seed: bytes
    width: int
    height: int
    kind: str
    seconds: int = 0
    audio: bool = False
    variant: str = "ok"
    oversized_bytes: int = 0

    @property
    def name(self) -> str:
        """The last part of its link."""
        length = f"-{self.seconds}s{'-audio' if self.audio else ''}" if self.kind == "mp4" else ""
        return f"{self.width}x{self.height}{length}.{self.kind}"

    @property
    def path(self) -> str:
        """The link's path."""
        size = f"-{self.oversized_bytes}" if self.variant == "oversized" else ""
        return f"/files/{self.variant}{size}/{self.seed.hex()}/{self.name}"

    @property
    def media_type(self) -> str:
        """Its media type."""
        return MEDIA_TYPES[self.kind]

    @classmethod
    def at(cls, path: str) -> "Output | None":
        """The output a path describes, or None."""
        match = _PATH.fullmatch(path)
        if match is None or match["kind"] not in MEDIA_TYPES or match["variant"] not in VARIANTS:
            return None
        return cls(
            bytes.fromhex(match["seed"]), int(match["width"]), int(match["height"]), match["kind"],
            int(match["seconds"] or 0), bool(match["audio"]), match["variant"], int(match["size"] or 0),
        )  # fmt: skip


class Links:
    """Signs links and judges them."""

    def __init__(self, base_url: str = "", key: str = DEFAULT_KEY) -> None:
        self.base_url = base_url.rstrip("/")
        self._key = key.encode()

    def to(self, output: Output, expires_at: float, origin: str = "") -> str:
        """A link that works until then (unix seconds); `origin` is used when no media host was configured."""
        expires = f"{expires_at:.3f}"
        path = output.path
        return f"{self.base_url or origin}{path}?Expires={expires}&Signature={self._signature(path, expires)}"

    def judge(self, path: str, expires: str, signature: str) -> str | None:
        """None when the link is good, else why it is not."""
        if not hmac.compare_digest(self._signature(path, expires).encode(), signature.encode()):
            return "SignatureDoesNotMatch"
        return "RequestExpired" if float(expires) <= time.time() else None

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._key, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()[:32]


def seed_of(*parts: str | int) -> bytes:
    """Sixteen bytes that decide an output's looks, from whatever tells it apart."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).digest()[:16]
