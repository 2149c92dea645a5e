"""Lifecycle rules delete what is old enough, and only that, when the clock says so."""

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY_S = 86_400


@pytest.fixture
def box(own_stand):
    client = own_stand.client()
    yield client
    client.close()


def rule(prefix: str, status: str = "Enabled", **actions) -> dict:
    return {"ID": f"of-{prefix}", "Status": status, "Filter": {"Prefix": prefix}, **actions}


def put_rules(box: "S3Client", *rules: dict) -> None:
    box.put_bucket_lifecycle_configuration(Bucket="box", LifecycleConfiguration={"Rules": list(rules)})


def keys(box: "S3Client") -> list[str]:
    return [entry["Key"] for entry in box.list_objects_v2(Bucket="box").get("Contents", [])]


def test_turned_clock_deletes_what_the_rules_say(own_stand, box: "S3Client"):
    for key in ("week/a", "day/a", "day/b", "kept/a", "off/a"):
        box.put_object(Bucket="box", Key=key, Body=b"x")
    put_rules(
        box,
        rule("week/", Expiration={"Days": 7}),
        rule("day/", Expiration={"Days": 1}),
        rule("off/", "Disabled", Expiration={"Days": 1}),
    )
    assert own_stand.turn("clock", offset_s=DAY_S - 60)["expired"] == 0
    assert own_stand.turn("clock", offset_s=DAY_S + 60)["expired"] == 2
    assert keys(box) == ["kept/a", "off/a", "week/a"]
    assert own_stand.turn("clock", offset_s=7 * DAY_S + 60)["expired"] == 1
    assert keys(box) == ["kept/a", "off/a"]


def test_turned_clock_aborts_unfinished_uploads(own_stand, box: "S3Client"):
    upload = box.create_multipart_upload(Bucket="box", Key="up/a")["UploadId"]
    box.upload_part(Bucket="box", Key="up/a", UploadId=upload, PartNumber=1, Body=b"x")
    put_rules(box, rule("up/", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}))
    assert own_stand.turn("clock", offset_s=DAY_S + 60)["aborted"] == 1
    assert "Uploads" not in box.list_multipart_uploads(Bucket="box")


def test_rules_run_by_themselves_and_survive_a_kill(own_stand, box: "S3Client"):
    box.put_object(Bucket="box", Key="day/a", Body=b"x")
    put_rules(box, rule("day/", Expiration={"Days": 1}))
    own_stand.kill()
    own_stand.start()
    assert keys(box) == ["day/a"]
    assert own_stand.turn("clock", offset_s=DAY_S + 60)["expired"] == 1


def test_rules_come_back_as_put_and_go(box: "S3Client"):
    rules = [
        rule("a/", Expiration={"Days": 7}),
        rule("", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}),
    ]
    put_rules(box, *rules)
    assert box.get_bucket_lifecycle_configuration(Bucket="box")["Rules"] == rules
    box.delete_bucket_lifecycle(Bucket="box")
    with pytest.raises(ClientError) as caught:
        box.get_bucket_lifecycle_configuration(Bucket="box")
    assert caught.value.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (rule("a/"), "InvalidRequest"),
        (rule("a/", Expiration={"Days": 0}), "InvalidArgument"),
        (rule("a/", "Perhaps", Expiration={"Days": 1}), "MalformedXML"),
        (rule("a/", Transitions=[{"Days": 1, "StorageClass": "GLACIER"}]), "NotImplemented"),
        (
            {"Status": "Enabled", "Filter": {"Tag": {"Key": "a", "Value": "b"}}, "Expiration": {"Days": 1}},
            "NotImplemented",
        ),
    ],
)
def test_rule_that_would_not_be_kept_is_refused(box: "S3Client", wrong, code):
    with pytest.raises(ClientError) as caught:
        put_rules(box, wrong)
    assert caught.value.response["Error"]["Code"] == code
