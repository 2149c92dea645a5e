"""What is not signed with a known secret, recently and for exactly this request, is refused with S3's own code."""

import datetime as dt
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import pytest
from botocore.exceptions import ClientError
from yarl import URL

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "a/x y+ü=&.png"


@pytest.fixture
def path(s3, bucket) -> str:
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"picture", ContentType="image/png")
    return f"/{bucket}/{quote(KEY)}"


def test_presigned_get_serves_the_object(shared_stand, path):
    answer = shared_stand.fetch("GET", shared_stand.presign("GET", path))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"picture", "image/png")


def test_boto3_presigned_url_with_overrides_serves_them(shared_stand, s3: "S3Client", bucket, path):
    url = s3.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": bucket,
            "Key": KEY,
            "ResponseContentDisposition": 'attachment; filename="x y.png"',
            "ResponseContentType": "application/octet-stream",
            "ResponseCacheControl": "private, no-store",
        },
        ExpiresIn=60,
    )
    headers = shared_stand.fetch("GET", url).headers
    assert headers["content-disposition"] == 'attachment; filename="x y.png"'
    assert headers["content-type"] == "application/octet-stream"
    assert headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("encoded", [True, False])
async def test_aiohttp_may_requote_a_presigned_url(shared_stand, s3: "S3Client", bucket, path, encoded):
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": KEY, "ResponseContentDisposition": "inline; filename=a"}
    )
    async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=encoded)) as answer:
        assert (answer.status, await answer.read()) == (200, b"picture")


async def test_presigned_put_with_a_condition_writes_once(shared_stand, s3: "S3Client", bucket):
    url = URL(shared_stand.presign("PUT", f"/{bucket}/std/1.bin"), encoded=True)
    async with aiohttp.ClientSession() as session:
        statuses = []
        for body in (b"first", b"second"):
            async with session.put(url, data=body, headers={"If-None-Match": "*"}) as answer:
                statuses.append(answer.status)
    assert statuses == [200, 412]
    assert s3.get_object(Bucket=bucket, Key="std/1.bin")["Body"].read() == b"first"


def test_expired_link_is_refused(shared_stand, path):
    url = shared_stand.presign("GET", path, expires_s=1)
    time.sleep(2.1)
    answer = shared_stand.fetch("GET", url)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert b"Request has expired" in answer.body


def test_link_longer_than_a_week_is_refused(shared_stand, path):
    answer = shared_stand.fetch("GET", shared_stand.presign("GET", path, expires_s=604_801))
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")
    assert shared_stand.fetch("GET", shared_stand.presign("GET", path, expires_s=604_800)).status == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Signature=", "Signature=0"),
        ("Expires=600", "Expires=601"),
        (".png?", ".jpg?"),
        ("?", "?response-content-type=text%2Fhtml&"),
    ],
)
def test_tampered_link_is_refused(shared_stand, path, old, new):
    url = shared_stand.presign("GET", path).replace(old, new, 1)
    answer = shared_stand.fetch("GET", url)
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_link_for_reading_does_not_write(shared_stand, path):
    answer = shared_stand.fetch("PUT", shared_stand.presign("GET", path), b"evil")
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def test_unsigned_extra_header_is_refused(shared_stand, path):
    url = shared_stand.presign("PUT", path)
    answer = shared_stand.fetch("PUT", url, b"x", {"x-amz-meta-evil": "1"})
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_link_without_all_parameters_is_refused(shared_stand, path):
    answer = shared_stand.fetch("GET", f"{path}?X-Amz-Signature=00")
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")


def test_anonymous_is_refused(shared_stand, path):
    for method in ("GET", "PUT", "DELETE"):
        answer = shared_stand.fetch(method, path, b"x" if method == "PUT" else None)
        assert (answer.status, answer.code) == (403, "AccessDenied")


def test_wrong_secret_and_unknown_key_are_refused(shared_stand, bucket):
    for options, code in (({"secret": "wrong"}, "SignatureDoesNotMatch"), ({"access": "who"}, "InvalidAccessKeyId")):
        client = shared_stand.client(**options)
        with pytest.raises(ClientError) as caught:
            client.list_objects_v2(Bucket=bucket)
        assert caught.value.response["Error"]["Code"] == code
        client.close()


def test_foreign_region_is_refused(shared_stand, path):
    headers = shared_stand.signed("GET", path)
    headers["Authorization"] = headers["Authorization"].replace("/auto/", "/eu-west-9/")
    assert shared_stand.fetch("GET", path, headers=headers).code == "AuthorizationHeaderMalformed"


def test_signature_of_version_2_is_refused(shared_stand, path):
    answer = shared_stand.fetch("GET", path, headers={"Authorization": "AWS test-access:c2ln"})
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_header_without_payload_hash_is_refused(shared_stand, path):
    headers = {k: v for k, v in shared_stand.signed("GET", path).items() if k.lower() != "x-amz-content-sha256"}
    assert shared_stand.fetch("GET", path, headers=headers).code == "InvalidRequest"


def test_old_header_signature_is_refused(own_stand):
    headers = own_stand.signed("GET", "/box")
    assert own_stand.fetch("GET", "/box", headers=headers).status == 200
    own_stand.turn("clock", signing_offset_s=14 * 60)
    assert own_stand.fetch("GET", "/box", headers=headers).status == 200
    own_stand.turn("clock", signing_offset_s=16 * 60)
    answer = own_stand.fetch("GET", "/box", headers=headers)
    assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")


def test_link_of_the_future_is_refused(own_stand):
    url = own_stand.presign("GET", "/box")
    own_stand.turn("clock", signing_offset_s=-16 * 60)
    answer = own_stand.fetch("GET", url)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert b"not yet valid" in answer.body


def test_link_dies_when_the_signing_clock_passes_its_end(own_stand):
    url = own_stand.presign("GET", "/box", expires_s=600)
    own_stand.turn("clock", signing_offset_s=590)
    assert own_stand.fetch("GET", url).status == 200
    own_stand.turn("clock", signing_offset_s=602)
    assert own_stand.fetch("GET", url).status == 403


def test_nonsense_dates_are_refused_not_crashed_on(shared_stand, path):
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%d")
    for date in ("", "yesterday", f"{stamp}T250000Z"):
        headers = shared_stand.signed("GET", path)
        headers["X-Amz-Date"] = date
        assert shared_stand.fetch("GET", path, headers=headers).code == "AccessDenied"
