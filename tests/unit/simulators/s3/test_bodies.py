"""A body that is not what was stated about it leaves no object behind."""

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def framed(body: bytes, trailer: str = "", chunk: int = 65_536) -> bytes:
    out = b""
    for start in range(0, len(body), chunk):
        piece = body[start : start + chunk]
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\n" + (f"{trailer}\r\n".encode() if trailer else b"") + b"\r\n"


def put_framed(stand, bucket: str, wire: bytes, length: int, trailer: str | None = "x-amz-checksum-crc32"):
    headers = {
        "x-amz-decoded-content-length": str(length),
        "content-encoding": "aws-chunked",
    }
    if trailer:
        headers["x-amz-trailer"] = trailer
    path = f"/{bucket}/framed"
    return stand.fetch("PUT", path, wire, stand.signed("PUT", path, headers=headers, trailer=True))


@pytest.fixture
def absent(s3: "S3Client", bucket):
    """Says that nothing came to lie under a key."""

    def check(key: str) -> bool:
        return s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"] == 0

    return check


def test_default_boto3_put_states_crc32_and_gets_it_back(s3: "S3Client", bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"abc" * 50_000)
    assert put["ChecksumCRC32"] == crc32(b"abc" * 50_000)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    assert got["Body"].read() == b"abc" * 50_000
    assert put["ETag"] == f'"{hashlib.md5(b"abc" * 50_000).hexdigest()}"'


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("ChecksumSHA256", base64.b64encode(bytes(32)).decode()),
        ("ChecksumCRC32", "AAAAAA=="),
        ("ChecksumSHA1", base64.b64encode(bytes(20)).decode()),
        ("ContentMD5", base64.b64encode(bytes(16)).decode()),
    ],
)
def test_wrong_digest_is_refused(s3: "S3Client", bucket, absent, argument, value):
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="bad", Body=b"abc", **{argument: value})
    assert caught.value.response["Error"]["Code"] == "BadDigest"
    assert absent("bad")


@pytest.mark.parametrize("value", ["AAAA", "not base64!"])
def test_digest_of_no_digest_shape_is_refused(s3: "S3Client", bucket, absent, value):
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="bad", Body=b"abc", ChecksumSHA256=value)
    assert caught.value.response["Error"]["Code"] == "InvalidRequest"
    assert absent("bad")


def test_checksum_not_spoken_is_refused_not_ignored(shared_stand, bucket, absent):
    path = f"/{bucket}/bad"
    headers = shared_stand.signed("PUT", path, b"x", {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="})
    assert shared_stand.fetch("PUT", path, b"x", headers).code == "NotImplemented"
    assert absent("bad")


def test_body_other_than_the_signed_one_is_refused(shared_stand, bucket, absent):
    path = f"/{bucket}/bad"
    headers = shared_stand.signed("PUT", path, b"said")
    answer = shared_stand.fetch("PUT", path, b"sent", headers)
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert absent("bad")
    path = f"/{bucket}"
    empty = shared_stand.signed("GET", path, b"a body that never comes")
    assert shared_stand.fetch("GET", path, headers=empty).code == "XAmzContentSHA256Mismatch"


@pytest.mark.parametrize("chunk", [1, 100, 65_536])
def test_chunked_body_with_a_trailing_checksum_is_decoded(shared_stand, s3: "S3Client", bucket, chunk):
    body = bytes(range(256)) * 20
    answer = put_framed(shared_stand, bucket, framed(body, f"x-amz-checksum-crc32:{crc32(body)}", chunk), len(body))
    assert answer.status == 200, answer.body
    got = s3.get_object(Bucket=bucket, Key="framed")
    assert got["Body"].read() == body
    assert "ContentEncoding" not in got


@pytest.mark.parametrize(
    ("wire", "length", "code"),
    [
        (framed(b"abc", "x-amz-checksum-crc32:AAAAAA=="), 3, "BadDigest"),
        (framed(b"abc", f"x-amz-checksum-crc32:{crc32(b'abc')}"), 4, "IncompleteBody"),
        (framed(b"abc", f"x-amz-checksum-crc32:{crc32(b'abc')}"), 2, "IncompleteBody"),
        (framed(b"abc"), 3, "InvalidRequest"),
        (b"3\r\nabc\r\n", 3, "IncompleteBody"),
        (b"zz\r\nabc\r\n0\r\n\r\n", 3, "IncompleteBody"),
        (b"2\r\nabc\r\n0\r\n\r\n", 3, "IncompleteBody"),
        (b"-3\r\nabc\r\n0\r\n\r\n", 3, "IncompleteBody"),
    ],
)
def test_broken_chunked_body_is_refused(shared_stand, bucket, absent, wire, length, code):
    answer = put_framed(shared_stand, bucket, wire, length)
    assert (answer.status, answer.code) == (400, code)
    assert absent("framed")


def test_chunked_body_without_a_trailer_is_taken(shared_stand, s3: "S3Client", bucket):
    assert put_framed(shared_stand, bucket, framed(b"abc"), 3, trailer=None).status == 200
    assert s3.get_object(Bucket=bucket, Key="framed")["Body"].read() == b"abc"


def test_unsigned_payload_is_taken_where_the_signature_says_so(shared_stand, s3: "S3Client", bucket):
    url = shared_stand.presign("PUT", f"/{bucket}/k")
    assert shared_stand.fetch("PUT", url, b"plain").status == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"plain"


def test_body_of_unknown_length_is_refused(shared_stand, bucket, absent):
    url = shared_stand.presign("PUT", f"/{bucket}/endless")
    answer = shared_stand.fetch("PUT", url, iter([b"a", b"b"]), {"Transfer-Encoding": "chunked"})  # type: ignore[arg-type]
    assert (answer.status, answer.code) == (411, "MissingContentLength")
    assert absent("endless")
