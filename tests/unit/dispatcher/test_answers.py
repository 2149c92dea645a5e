"""Providers' answers are read with suspicion."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.domain.failures import FailureClass
from dispatcher.upstreams import classify, fal_answers, media
from dispatcher.upstreams.client import Answer, parse_retry_after_s

NOW_S = 1_800_000_000.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("headers", "wish_s"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
        ({"retry-after": "999999999"}, 3600),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_wish_for_peace_is_understood_in_every_spelling(headers, wish_s):
    assert parse_retry_after_s(headers, NOW_S) == wish_s


@given(st.text(max_size=60))
def test_a_senseless_wish_is_no_wish_and_no_error(text):
    wish_s = parse_retry_after_s({"retry-after": text}, NOW_S)
    assert wish_s is None or 0 < wish_s <= 3600


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://queue.fal.run/x", "https://queue.fal.run"),
        ("https://QUEUE.fal.run:443/x", "https://queue.fal.run"),
        ("https://queue.fal.run@evil.example/", "https://evil.example"),
        ("https://queue.fal.run.evil.example/", "https://queue.fal.run.evil.example"),
        ("http://[::1]:80/", "http://[::1]"),
        ("http://host:99999/", ""),
        ("//queue.fal.run/x", ""),
        ("nonsense", ""),
    ],
)
def test_origins_are_what_a_client_would_connect_to(url, origin):
    assert classify.origin_of(url) == origin


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request"), (401, "auth"), (402, "quota"), (403, "auth"), (404, "auth"), (422, "invalid_request"),
     (429, "rate_limited"), (301, "unavailable"), (408, "unavailable"), (418, "unavailable"), (500, "unavailable")],
)  # fmt: skip
def test_statuses_have_classes(status, kind):
    assert classify.by_status(status) == kind


@given(JSON, st.integers(200, 599))
def test_no_answer_of_a_model_makes_an_adapter_stumble(value, status):
    assert fal_answers.class_of_detail(value, status) in {None, *FailureClass}
    result = value if isinstance(value, dict) else {"images": value, "video": value, "has_nsfw_concepts": value}
    assert all(link.url for link in fal_answers.links(result) if link.url)
    fal_answers.blanked(result)


@pytest.mark.parametrize(
    ("kinds", "status", "kind"),
    [
        (["content_policy_violation"], 422, "content_policy"),
        (["content_policy_violation"], 500, "content_policy"),
        (["never_heard_of"], 422, "invalid_request"),
        (["never_heard_of"], 500, "failed_generation"),
        (["never_heard_of"], 503, "failed_generation"),
        (["internal_server_error"], 422, "failed_generation"),
    ],
)
def test_a_server_error_is_never_the_inputs_fault(kinds, status, kind):
    assert fal_answers.class_of_detail([{"type": one} for one in kinds], status) == kind


def test_a_picture_blanked_by_a_filter_is_a_refusal_and_no_output():
    result = {"images": [{"url": "https://a"}, {"url": "https://b"}], "has_nsfw_concepts": [True, False]}
    assert fal_answers.blanked(result)
    assert [link.url for link in fal_answers.links(result)] == ["https://b"]


@given(st.binary(max_size=200))
def test_only_whole_pictures_have_a_type(body):
    assume(b"IEND" not in body)
    assert media.image_type(body) is None
    assert media.image_type(b"\x89PNG\r\n\x1a\n" + body) is None
    assert media.image_type(b"\x89PNG\r\n\x1a\n" + body + b"IEND\xaeB`\x82") == "image/png"


@given(st.binary(max_size=300))
def test_an_answer_that_is_no_json_object_reads_as_an_empty_one(body):
    assert isinstance(Answer(200, {}, body).object(), dict)
