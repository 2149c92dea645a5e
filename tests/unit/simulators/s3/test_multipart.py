"""A multipart upload is no object until it is completed, and then a whole one."""

import io
import os
from typing import TYPE_CHECKING

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FLOOR = 5 * 1024**2


def begin(s3: "S3Client", bucket: str, *sizes: int) -> tuple[str, list[dict]]:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="mp", ContentType="video/mp4", Metadata={"a": "b"})[
        "UploadId"
    ]
    parts = []
    for number, size in enumerate(sizes, 1):
        body = bytes([number]) * size
        etag = s3.upload_part(Bucket=bucket, Key="mp", UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    return upload, parts


def complete(s3: "S3Client", bucket: str, upload: str, parts: list[dict], **conditions):
    return s3.complete_multipart_upload(
        Bucket=bucket, Key="mp", UploadId=upload, MultipartUpload={"Parts": parts}, **conditions
    )


def test_completed_upload_is_one_object(s3: "S3Client", bucket):
    upload, parts = begin(s3, bucket, FLOOR, FLOOR, 10)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    listed = s3.list_parts(Bucket=bucket, Key="mp", UploadId=upload)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [(1, FLOOR), (2, FLOOR), (3, 10)]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    assert complete(s3, bucket, upload, parts)["ETag"].endswith('-3"')
    got = s3.get_object(Bucket=bucket, Key="mp")
    assert got["Body"].read() == b"\1" * FLOOR + b"\2" * FLOOR + b"\3" * 10
    assert (got["ContentType"], got["Metadata"]) == ("video/mp4", {"a": "b"})
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_boto3_transfer_of_a_stream_comes_back_whole(s3: "S3Client", bucket):
    body = os.urandom(FLOOR * 2 + 77)
    config = TransferConfig(multipart_threshold=FLOOR, multipart_chunksize=FLOOR, max_concurrency=3)
    s3.upload_fileobj(io.BytesIO(body), bucket, "stream", Config=config)
    out = io.BytesIO()
    s3.download_fileobj(bucket, "stream", out, Config=config)
    assert out.getvalue() == body


@pytest.mark.parametrize(
    ("sizes", "order", "code"),
    [
        ((100, 10), (0, 1), "EntityTooSmall"),
        ((FLOOR, FLOOR), (1, 0), "InvalidPartOrder"),
        ((FLOOR, FLOOR), (0, 0), "InvalidPartOrder"),
        ((FLOOR, FLOOR + 1, 10), (0, 1, 2), "InvalidPart"),
        ((FLOOR, FLOOR + 1), (0, 1), "InvalidPart"),
    ],
)
def test_wrong_parts_make_no_object(s3: "S3Client", bucket, sizes, order, code):
    upload, parts = begin(s3, bucket, *sizes)
    with pytest.raises(ClientError) as caught:
        complete(s3, bucket, upload, [parts[i] for i in order])
    assert caught.value.response["Error"]["Code"] == code
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_unknown_part_or_etag_makes_no_object(s3: "S3Client", bucket):
    upload, parts = begin(s3, bucket, 10)
    for wrong in ({"PartNumber": 2, "ETag": parts[0]["ETag"]}, {"PartNumber": 1, "ETag": '"x"'}):
        with pytest.raises(ClientError) as caught:
            complete(s3, bucket, upload, [wrong])
        assert caught.value.response["Error"]["Code"] == "InvalidPart"


def test_part_sent_again_replaces_the_first(s3: "S3Client", bucket):
    upload, _ = begin(s3, bucket, 10)
    etag = s3.upload_part(Bucket=bucket, Key="mp", UploadId=upload, PartNumber=1, Body=b"again")["ETag"]
    complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": etag}])
    assert s3.get_object(Bucket=bucket, Key="mp")["Body"].read() == b"again"


def test_completion_may_be_conditional(s3: "S3Client", bucket):
    upload, parts = begin(s3, bucket, 10)
    s3.put_object(Bucket=bucket, Key="mp", Body=b"earlier")
    with pytest.raises(ClientError) as caught:
        complete(s3, bucket, upload, parts, IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="mp")["Body"].read() == b"earlier"


def test_aborted_upload_is_gone(s3: "S3Client", bucket):
    upload, parts = begin(s3, bucket, 10)
    s3.abort_multipart_upload(Bucket=bucket, Key="mp", UploadId=upload)
    with pytest.raises(ClientError) as caught:
        complete(s3, bucket, upload, parts)
    assert caught.value.response["Error"]["Code"] == "NoSuchUpload"
