"""Digests of a body: computed as it passes, compared with what the client stated about it."""

import base64
import binascii
import hashlib
import zlib
from typing import Protocol

from simulators.s3.errors import S3Error

PREFIX = "x-amz-checksum-"


class Digest(Protocol):
    """As hashlib has them."""

    def update(self, data: bytes, /) -> None:
        """Take more of the body."""

    def digest(self) -> bytes:
        """Return the value over everything taken so far."""


class Crc32:
    """CRC-32 (IEEE) in hashlib's shape, most significant byte first as S3 states it."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take more of the body."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return the four bytes of the sum so far."""
        return self._value.to_bytes(4, "big")


_LENGTHS = {"crc32": 4, "sha1": 20, "sha256": 32}
_KNOWN_NOT_SPOKEN = {"crc32c", "crc64nvme"}


def digest_of(algorithm: str) -> Digest:
    """Begin a digest; raises S3Error for algorithms this endpoint does not speak, rather than not checking."""
    if algorithm == "crc32":
        return Crc32()
    if algorithm == "sha256":
        return hashlib.sha256()
    if algorithm == "sha1":
        return hashlib.sha1(usedforsecurity=False)
    if algorithm in _KNOWN_NOT_SPOKEN:
        raise S3Error("NotImplemented", f"The checksum algorithm {algorithm} is not implemented here.")
    raise S3Error("InvalidRequest", f"The checksum algorithm {algorithm} is not known.")


def stated_in(headers: dict[str, str]) -> dict[str, str]:
    """The checksums stated in a request's headers, by algorithm; each verified for its shape."""
    stated: dict[str, str] = {}
    for name, value in headers.items():
        if name.startswith(PREFIX) and name not in {f"{PREFIX}algorithm", f"{PREFIX}mode", f"{PREFIX}type"}:
            algorithm = name.removeprefix(PREFIX)
            digest_of(algorithm)
            require_shape(algorithm, value)
            stated[algorithm] = value
    if len(stated) > 1:
        raise S3Error(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    return stated


def require_shape(algorithm: str, value: str) -> None:
    """Raise S3Error unless `value` is the base64 of a digest of this algorithm."""
    try:
        length = len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        length = -1
    if length != _LENGTHS.get(algorithm):
        raise S3Error("InvalidRequest", f"Value for {PREFIX}{algorithm} header is invalid.")


def require_match(algorithm: str, stated: str, digest: Digest) -> None:
    """Raise BadDigest unless the body's digest is the stated one."""
    if base64.b64encode(digest.digest()).decode() != stated:
        raise S3Error("BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.")


def composite(values: list[dict[str, str]]) -> dict[str, str]:
    """The checksum of checksums of a multipart object, or nothing unless all parts stated the same algorithm."""
    algorithms = {algorithm for stated in values for algorithm in stated}
    if len(algorithms) != 1 or not all(values):
        return {}
    (algorithm,) = algorithms
    digest = digest_of(algorithm)
    for stated in values:
        digest.update(base64.b64decode(stated[algorithm]))
    return {algorithm: f"{base64.b64encode(digest.digest()).decode()}-{len(values)}"}
