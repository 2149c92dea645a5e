"""Objects, conditions, ranges, copies and listings, as boto3 sees them."""

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def refused(call, **arguments) -> str:
    """The code that the call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_what_is_said_about_an_object_comes_back(s3: "S3Client", bucket):
    said = {
        "ContentType": "image/png",
        "CacheControl": "private, no-store",
        "ContentDisposition": 'inline; filename="x.png"',
        "ContentLanguage": "de",
        "ContentEncoding": "gzip",
        "Metadata": {"job-id": "j1"},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345", **said)
    head, got = s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")
    assert {name: head[name] for name in said} == said == {name: got[name] for name in said}
    assert head["ContentLength"] == 5
    assert got["Body"].read() == b"12345"


@pytest.mark.parametrize("size", [0, 1, 262_144, 3_000_001])
def test_every_byte_comes_back(s3: "S3Client", bucket, size):
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


@pytest.mark.parametrize(
    ("asked", "body", "shown"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=-99", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_range_gives_just_that(s3: "S3Client", bucket, asked, body, shown):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert (got["Body"].read(), got["ContentRange"]) == (body, shown)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_range_outside_is_416_and_nonsense_is_ignored(s3: "S3Client", bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    for asked in ("bytes=10-", "bytes=-0"):
        assert refused(s3.get_object, Bucket=bucket, Key="k", Range=asked) == "InvalidRange"
    for asked in ("bytes=5-2", "pages=1-2", "bytes=0-1,4-5"):
        assert s3.get_object(Bucket=bucket, Key="k", Range=asked)["ContentLength"] == 10


def test_missing_things_are_named(s3: "S3Client", bucket):
    assert refused(s3.get_object, Bucket=bucket, Key="none") == "NoSuchKey"
    assert refused(s3.head_object, Bucket=bucket, Key="none") == "404"
    assert refused(s3.get_object, Bucket="no-such-bucket", Key="k") == "NoSuchBucket"
    assert refused(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x") == "NoSuchBucket"
    assert refused(s3.head_bucket, Bucket="no-such-bucket") == "404"
    s3.delete_object(Bucket=bucket, Key="none")


def test_conditional_writes_hold(s3: "S3Client", bucket):
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"0", IfMatch='"x"') == "NoSuchKey"
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"x"') == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"


def test_conditional_reads_hold(s3: "S3Client", bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == "304"
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=when) == "304"
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"x"') == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag, IfUnmodifiedSince=when)["Body"].read() == b"1"


def test_copy_shares_bytes_and_outlives_its_source(s3: "S3Client", bucket):
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"same", ContentType="image/png", Metadata={"m": "1"})
    source = {"Bucket": bucket, "Key": "a b/ü"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    s3.copy_object(
        Bucket=bucket, Key="other", CopySource=source, MetadataDirective="REPLACE", ContentType="text/plain"
    )
    s3.delete_object(Bucket=bucket, Key="a b/ü")
    copy, other = s3.get_object(Bucket=bucket, Key="copy"), s3.get_object(Bucket=bucket, Key="other")
    assert (copy["Body"].read(), copy["ContentType"], copy["Metadata"]) == (b"same", "image/png", {"m": "1"})
    assert (other["Body"].read(), other["ContentType"], other["Metadata"]) == (b"same", "text/plain", {})
    itself = {"Bucket": bucket, "Key": "copy"}
    assert refused(s3.copy_object, Bucket=bucket, Key="copy", CopySource=itself) == "InvalidRequest"
    assert refused(s3.copy_object, Bucket=bucket, Key="x", CopySource=source) == "NoSuchKey"
    assert (
        refused(s3.copy_object, Bucket=bucket, Key="x", CopySource=itself, CopySourceIfMatch='"x"')
        == "PreconditionFailed"
    )


def test_delete_objects_takes_all_named(s3: "S3Client", bucket):
    for key in ("a&b", "c", "kept"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    named = [{"Key": key} for key in ("a&b", "c", "none")]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": named})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["a&b", "c", "none"]
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]


def test_listing_pages_hold_every_key_once_in_byte_order(s3: "S3Client", bucket):
    keys = sorted((f"p/{n:03d} ü+%&<" for n in range(23)), key=str.encode)
    for key in [*keys, "q", "o"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="p/", PaginationConfig={"PageSize": 5})
    )
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    assert [page["KeyCount"] for page in pages] == [5, 5, 5, 5, 3]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter=keys[-1])
    assert [entry["Key"] for entry in after["Contents"]] == ["q"]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0


@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("page_size", [1, 2, 1000])
def test_delimiter_rolls_up_each_prefix_once(s3: "S3Client", bucket, version, page_size):
    for key in ("a", "b/1", "b/2", "b/3/4", "b!", "c/1", "d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = list(
        s3.get_paginator(version).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": page_size})
    )
    assert [entry["Key"] for page in pages for entry in page.get("Contents", [])] == ["a", "b!", "d"]
    assert [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])] == ["b/", "c/"]


def test_buckets_come_and_go(s3: "S3Client", bucket):
    assert bucket in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    assert refused(s3.create_bucket, Bucket=bucket) == "BucketAlreadyOwnedByYou"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    s3.delete_object(Bucket=bucket, Key="k")
    s3.create_multipart_upload(Bucket=bucket, Key="unfinished")
    s3.delete_bucket(Bucket=bucket)
    assert refused(s3.list_objects_v2, Bucket=bucket) == "NoSuchBucket"


def test_what_is_not_kept_is_refused(s3: "S3Client", bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tags) == "NotImplemented"
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"y", Tagging="a=b") == "NotImplemented"
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="1") == "NotImplemented"
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"y") == "KeyTooLongError"
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"y", Metadata={"m": "x" * 2100}) == "MetadataTooLarge"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_link_cannot_smuggle_header_lines(shared_stand, s3: "S3Client", bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for evil in ("a\r\nset-cookie: b", "日本"):
        url = s3.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": "k", "ResponseContentDisposition": evil}
        )
        answer = shared_stand.fetch("GET", url)
        assert (answer.status, answer.code) == (400, "InvalidArgument")
