"""The gateway's rules that need no server."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.ids import new_id
from gateway.api.reading.limits import check_head
from gateway.api.statuses import envelope, headers_of, status_of
from gateway.domain.api_keys import digest, looks_like_key, make_key
from gateway.domain.frames import size_of
from gateway.domain.media_links import MediaLinks, Verdict, target
from gateway.domain.media_types import sniff
from gateway.domain.sameness import Sameness
from gateway.errors import GatewayError, HeadersTooLarge, JobEndedBadly, UriTooLong

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LINKS = MediaLinks("https://media.example", b"k" * 32)


def parts_of(url: str) -> tuple[str, str, str, str]:
    path, _, query = url.removeprefix("https://media.example/media/").partition("?")
    job, file = path.split("/")
    pairs = dict(pair.split("=") for pair in query.split("&"))
    return job, file, pairs["e"], pairs["s"]


def test_a_link_is_valid_until_its_output_expires() -> None:
    job_id = new_id()
    job, file, expires, signature = parts_of(LINKS.link(job_id, 2, "video/mp4", NOW))
    assert file == "2.mp4"
    assert LINKS.judge(job, file, expires, signature, NOW - timedelta(seconds=1)) is Verdict.VALID
    assert LINKS.judge(job, file, expires, signature, NOW) is Verdict.EXPIRED
    wanted = target(job, file)
    assert wanted is not None
    assert (wanted.job_id, wanted.index) == (job_id, 2)


def test_no_part_of_a_link_can_be_changed() -> None:
    job, file, expires, signature = parts_of(LINKS.link(new_id(), 0, "image/png", NOW))
    early = NOW - timedelta(hours=1)
    assert LINKS.judge(new_id().hex, file, expires, signature, early) is Verdict.FORGED
    assert LINKS.judge(job, "1.png", expires, signature, early) is Verdict.FORGED
    assert LINKS.judge(job, file, str(int(expires) + 1), signature, early) is Verdict.FORGED
    assert MediaLinks("", b"x" * 32).judge(job, file, expires, signature, early) is Verdict.FORGED


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=20), st.text(max_size=80))
def test_any_link_gets_a_verdict(job: str, file: str, expires: str, signature: str) -> None:
    assert LINKS.judge(job, file, expires, signature, NOW) is Verdict.FORGED
    target(job, file)


def test_the_order_of_keys_does_not_make_another_request() -> None:
    same = Sameness(b"k")
    first = same.of_request("op", {"a": 1, "b": {"c": [1, 2], "d": "x"}}, {"f": "1"})
    assert first == same.of_request("op", {"b": {"d": "x", "c": [1, 2]}, "a": 1}, {"f": "1"})


@pytest.mark.parametrize(
    ("operation", "fields", "files"),
    [
        ("other", {"a": 1}, {}),
        ("op", {"a": "1"}, {}),
        ("op", {"a": 1, "b": None}, {}),
        ("op", {"a": 1}, {"f": "digest"}),
    ],
)
def test_any_difference_makes_another_request(
    operation: str, fields: dict[str, object], files: dict[str, str]
) -> None:
    same = Sameness(b"k")
    assert same.of_request("op", {"a": 1}, {}) != same.of_request(operation, fields, files)


def test_without_the_key_a_hash_cannot_be_guessed() -> None:
    assert Sameness(b"k").of_request("op", {}, {}) != Sameness(b"l").of_request("op", {}, {})


def test_keys_are_long_random_and_recognised() -> None:
    keys = {make_key().secret for _ in range(100)}
    assert len(keys) == 100
    assert all(looks_like_key(key) and key.startswith("rk_live_") for key in keys)
    assert not looks_like_key("rk_live_" + "a" * 39)
    assert not looks_like_key("rk_live_" + "a" * 40 + "\n")
    assert len(digest("x", b"pepper")) == 32


def test_the_no_credit_error_stops_a_stock_sdk() -> None:
    error = JobEndedBadly("Not enough credits.", code="insufficient_quota")
    status = status_of(error, "openai")
    assert (status.http, status_of(error, "native").http) == (429, 402)
    assert headers_of(error, status)["x-should-retry"] == "false"
    assert envelope(error, status, "req_1") == {
        "error": {
            "message": "Not enough credits.",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
        },
        "request_id": "req_1",
    }


def test_every_error_has_a_status_of_its_own() -> None:
    def all_of(kind: type[GatewayError]) -> list[type[GatewayError]]:
        return [kind, *(one for sub in kind.__subclasses__() for one in all_of(sub))]

    bare = {GatewayError.__name__, "RequestRefused"}
    for kind in all_of(GatewayError):
        if kind.__name__ not in bare:
            assert status_of(kind("x"), "openai").http != 500, kind


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({"resolution": "720p", "aspect_ratio": "16:9"}, "1280x720"),
        ({"resolution": "1080p", "aspect_ratio": "9:16"}, "1080x1920"),
        ({"resolution": "480p", "aspect_ratio": "1:1"}, "480x480"),
        ({"size": "1536x1024"}, "1536x1024"),
        ({"resolution": "720p"}, None),
    ],
)
def test_a_videos_size_is_said_in_pixels(parameters: dict[str, str], size: str | None) -> None:
    assert size_of(parameters) == size


def test_a_files_type_is_what_its_bytes_say() -> None:
    assert sniff(b"\x89PNG\r\n\x1a\n12345678") == "image/png"
    assert sniff(b"\x00\x00\x00\x20ftypisom") == "video/mp4"
    assert sniff(b"<svg xmlns=") is None
    assert sniff(b"") is None


def test_a_long_url_and_too_many_headers_are_refused() -> None:
    scope = {"path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
    check_head(scope)
    with pytest.raises(UriTooLong):
        check_head({**scope, "query_string": b"x" * 8192})
    with pytest.raises(HeadersTooLarge):
        check_head({**scope, "headers": [(b"a", b"b")] * 65})
    with pytest.raises(HeadersTooLarge):
        check_head({**scope, "headers": [(b"a", b"b" * 33_000)]})
