"""A link into the object store dies no later than the output that it leads to."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from common import clock
from common.objects import ObjectStore
from common.settings import ObjectStoreSettings
from gateway.api.media import Media
from gateway.domain.job import Output
from gateway.domain.media_links import MediaLinks
from gateway.errors import Gone
from gateway.jobs.repository import JobRows

REDIRECT_LIFE_S = 600


@pytest.fixture
def media(monkeypatch: pytest.MonkeyPatch) -> Media:
    named = {
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "S3_BUCKET": "outputs",
        "S3_STAGING_BUCKET": "staging",
        "S3_ACCESS_KEY_ID": "id",
        "S3_SECRET_ACCESS_KEY": "secret",
    }
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    jobs = JobRows.__new__(JobRows)  # a link is made without asking the database
    return Media(MediaLinks("", b"k" * 32), jobs, ObjectStore(ObjectStoreSettings()), REDIRECT_LIFE_S)


def span_of(url: str) -> tuple[datetime, datetime]:
    query = parse_qs(urlsplit(url).query)
    signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed, signed + timedelta(seconds=int(query["X-Amz-Expires"][0]))


@pytest.mark.parametrize("left_s", [1.001, 1.5, 2.0, 2.999, 59.3, 599.999])
def test_a_link_given_out_near_the_end_dies_with_its_output(media: Media, left_s: float) -> None:
    expires_at = clock.now() + timedelta(seconds=left_s)
    _, until = span_of(media.location(Output(0, "std/k/0.png", "image/png", expires_at)))
    assert expires_at - timedelta(seconds=2) <= until <= expires_at


@pytest.mark.parametrize("left_s", [-60.0, 0.0, 0.9])
def test_no_link_is_given_out_that_would_outlive_its_output(media: Media, left_s: float) -> None:
    with pytest.raises(Gone):
        media.location(Output(0, "std/k/0.png", "image/png", clock.now() + timedelta(seconds=left_s)))


def test_a_link_to_a_lasting_output_lives_for_its_minutes(media: Media) -> None:
    signed, until = span_of(media.location(Output(0, "std/k/0.png", "image/png", clock.now() + timedelta(days=7))))
    assert until - signed == timedelta(seconds=REDIRECT_LIFE_S)
