"""What is particular to Google: how orders are written, errors told apart, tokens counted and earned."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth import jwt

from common.contracts import JobFailed, JobGenerated
from dispatcher.domain.failures import FailureClass, UpstreamFailed
from dispatcher.domain.jobs import Inline, Input, Order
from dispatcher.routing.accounts import accounts
from dispatcher.upstreams import PROTOCOLS, google_errors
from dispatcher.upstreams.client import Answer, Client
from dispatcher.upstreams.google_token import GoogleToken
from dispatcher.upstreams.service_account import claim as service_account_claim

PRO, FLASH_2_5 = "gemini-3-pro-image", "gemini-2.5-flash-image"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    client = await Client().start()
    yield client
    await client.stop()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def service_account(key: rsa.RSAPrivateKey, providers) -> str:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "private_key_id": "k1",
            "private_key": pem.decode(),
            "client_email": "a@p.iam.example",
            "token_uri": providers.origin("vertex") + "/token",
        }
    )


def speaker(provider: str, providers, client: Client, api_key: str | None = None) -> Any:
    environ = providers.environ(provider)
    if api_key is not None:
        environ[f"UPSTREAM_{provider.upper()}_API_KEY"] = api_key
    (account,) = accounts(environ, [provider])[provider]
    return PROTOCOLS[f"{provider}-content"](client, account)


def order(model: str = PRO, *inputs: Input, timeout_s: float = 20, **fields: Any) -> Order:
    return Order(
        job_id=UUID(int=7),
        attempt_no=1,
        end_user="somebody",
        upstream_model=model,
        fields=fields,
        texts={"prompt": "a grey cat"},
        inputs=inputs,
        outputs=1,
        connect_s=0.5,
        timeout_s=timeout_s,
        start_within_s=30,
    )


async def test_an_order_is_one_turn_with_its_pictures_behind_the_prompt(providers, client):
    given = order(
        "gemini-3.1-flash-image",
        Input("inlineData", body=b"\x89PNG", media_type="image/png", many=True),
        Input("inlineData", url="https://example.com/a/cat.webp?x=y", many=True),
        Input("inlineData", url="https://example.com/page.html", many=True),
        **{"aspectRatio": "8:1", "imageSize": "512", "imageOutputOptions.mimeType": "image/jpeg"},
    )
    produced = await speaker("vertex", providers, client).submit(given, lambda: None)
    assert [one.media_type for one in produced.outputs] == ["image/jpeg"]
    (call,) = providers.calls("vertex", "a grey cat")
    (turn,) = call["request"].pop("contents")
    prompt, inline, *addresses = turn.pop("parts")
    assert turn == {"role": "user"}
    assert prompt["text"].startswith("prompt:")
    assert inline["inlineData"]["mimeType"] == "image/png"
    assert [one["fileData"] for one in addresses] == [
        {"mimeType": "image/webp", "fileUri": "https://example.com/a/cat.webp?x=y"},
        {"mimeType": "image/jpeg", "fileUri": "https://example.com/page.html"},
    ]
    assert call["request"] == {
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "candidateCount": 1,
            "imageConfig": {
                "aspectRatio": "8:1",
                "imageSize": "512",
                "imageOutputOptions": {"mimeType": "image/jpeg"},
            },
        }
    }


async def test_of_drafts_and_the_picture_the_picture_is_taken(providers, client):
    providers.dial("gemini", "drafts")
    produced = await speaker("gemini", providers, client).submit(order(imageSize="1K"), lambda: None)
    (picture,) = produced.outputs
    assert isinstance(picture, Inline)
    assert int.from_bytes(picture.body[16:20]) == 1024


@pytest.mark.parametrize(
    ("model", "fields", "cost_microusd"),
    [
        # 3 tokens of prompt; the picture's; 8 of text and 120 of thoughts.
        (PRO, {"imageSize": "4K"}, 3 * 2 + 2000 * 120 + 128 * 12),
        ("gemini-3.1-flash-image", {"imageSize": "2K"}, round(3 * 0.5 + 1680 * 60 + 128 * 3)),
        (FLASH_2_5, {}, round(3 * 0.3 + 1290 * 30 + 8 * 2.5)),
    ],
)
async def test_the_tokens_of_an_answer_are_its_cost(providers, client, model, fields, cost_microusd):
    produced = await speaker("gemini", providers, client).submit(order(model, **fields), lambda: None)
    assert produced.cost_microusd == cost_microusd


async def test_references_are_in_the_cost(providers, client):
    reference = Input("inlineData", body=b"\x89PNG", media_type="image/png", many=True)
    speaking = speaker("gemini", providers, client)
    without = await speaking.submit(order(), lambda: None)
    produced = await speaking.submit(order(PRO, reference, reference), lambda: None)
    assert produced.cost_microusd - without.cost_microusd == 2 * 560 * 2


def refused(status: int, error: dict[str, Any], *, wrapped: bool = False) -> tuple[str, float | None]:
    """Class and wish of an error."""
    body: Any = {"error": error}
    failure = google_errors.failed(Answer(status, {}, orjson.dumps([body] if wrapped else body))).failure
    assert failure.code == f"http_{status}"
    return failure.kind.value, failure.retry_after_s


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23.5s"}


def quota(quota_id: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("status", "error", "kind", "wish_s"),
    [
        (429, {"message": "check your plan and billing details", "details": [RETRY]}, "rate_limited", 23.5),
        (429, {"message": "billing", "details": [quota("RequestsPerMinutePerProject")]}, "rate_limited", None),
        (429, {"message": "slow down", "details": [quota("RequestsPerDayPerProject"), RETRY]}, "quota", 23.5),
        (429, {"message": "Your prepayment credits are depleted."}, "quota", None),
        (429, {"message": "Resource exhausted."}, "rate_limited", None),
        (429, {"details": [{**RETRY, "retryDelay": "soon"}]}, "rate_limited", None),
        (429, {"details": [{**RETRY, "retryDelay": "9999999s"}]}, "rate_limited", 3600),
        (429, {"details": "nonsense", "message": None}, "rate_limited", None),
        (400, {"status": "INVALID_ARGUMENT"}, "invalid_request", None),
        (400, {"status": "FAILED_PRECONDITION"}, "auth", None),
        (400, {"status": ["odd"]}, "invalid_request", None),
        (499, {"status": "CANCELLED"}, "unavailable", None),
        (500, {"status": "INVALID_ARGUMENT"}, "unavailable", None),
        (504, {"status": "DEADLINE_EXCEEDED"}, "unavailable", None),
    ],
)
def test_errors_are_told_apart_by_their_details_first(status, error, kind, wish_s, wrapped):
    assert refused(status, error, wrapped=wrapped) == (kind, wish_s)


async def test_a_service_account_earns_a_token_once(providers, client, service_account):
    speaking = speaker("vertex", providers, client, service_account)
    for _ in range(2):
        assert (await speaking.submit(order(), lambda: None)).outputs
    assert len(providers.calls("vertex", operation="token")) == 1


async def test_a_token_that_was_refused_is_earned_anew(providers, client, service_account):
    speaking = speaker("vertex", providers, client, service_account)
    await speaking.submit(order(), lambda: None)
    providers.dial("vertex", "auth", times=1)
    with pytest.raises(UpstreamFailed) as caught:
        await speaking.submit(order(), lambda: None)
    assert caught.value.failure.kind is FailureClass.AUTH
    await speaking.submit(order(), lambda: None)
    assert len(providers.calls("vertex", operation="token")) == 2


def test_googles_own_library_believes_our_claim(key, service_account):
    url, claim = service_account_claim(service_account)
    head, claims, signed, signature = jwt._unverified_decode(claim)
    assert (head, url) == ({"alg": "RS256", "typ": "JWT", "kid": "k1"}, claims["aud"])
    key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    assert claims["iss"] == "a@p.iam.example"
    assert claims["exp"] - claims["iat"] == 3600
    assert base64.urlsafe_b64decode(claim.split(".")[2] + "==") == signature


@pytest.mark.parametrize("secret", ["{", "{}", '{"token_uri": "http://x", "client_email": "a", "private_key": "b"}'])
async def test_a_service_account_that_makes_no_sense_is_a_refused_key(client, secret):
    with pytest.raises(UpstreamFailed) as caught:
        await GoogleToken(client, secret).bearer(1)
    assert (caught.value.failure.kind, caught.value.failure.code) == (FailureClass.AUTH, "bad_service_account")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("scenario", ["hang", "refuse"])
async def test_without_a_token_no_order_was_sent(providers, client, service_account, scenario):
    there = json.loads(service_account)
    # Nobody listens on port 1; the door that hangs is one that takes orders.
    there["token_uri"] = "http://127.0.0.1:1/token"
    if scenario == "hang":
        providers.dial("openai", "hang")
        there["token_uri"] = providers.origin("openai") + "/v1/images/generations"
    with pytest.raises(UpstreamFailed) as caught:
        await speaker("vertex", providers, client, json.dumps(there)).submit(order(timeout_s=0.2), lambda: None)
    assert caught.value.failure.kind is FailureClass.UNAVAILABLE
    assert providers.calls("vertex") == []


async def test_several_pictures_are_several_calls_and_the_next_route_gives_what_is_missing(dispatcher, providers):
    verdict = await dispatcher.run(FLASH_2_5, "three cats", n=3)
    assert isinstance(verdict, JobGenerated)
    assert ([one.index for one in verdict.outputs], verdict.provider) == ([0, 1, 2], "gemini")
    assert len(providers.calls("gemini", "three cats")) == 3
    providers.dial("gemini", "500")
    verdict = await dispatcher.run(FLASH_2_5, "two cats", n=2)
    assert isinstance(verdict, JobGenerated)
    assert (len(verdict.outputs), verdict.provider) == (2, "vertex")


async def test_a_refusal_dressed_as_success_is_shown_to_no_other_provider(dispatcher, providers):
    providers.dial("gemini", "policy_output")
    verdict = await dispatcher.run(PRO, "a bad cat")
    assert isinstance(verdict, JobFailed)
    assert verdict.code == "content_policy_violation"
    assert not any(providers.calls(other, "a bad cat") for other in ("vertex", "fal", "replicate"))
