"""Google's own client against the stand-ins of the Gemini API and of Vertex AI: their wire is the one it speaks."""

import asyncio
import io
import json
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google import genai
from google.auth.transport import requests as transport
from google.genai import errors, types
from google.oauth2 import credentials, service_account
from PIL import Image

from support.providers import Providers

MODEL = "gemini-3.1-flash-image"


@pytest.fixture(params=["gemini", "vertex"])
def client(request: pytest.FixtureRequest, providers: Providers) -> Iterator[genai.Client]:
    url = providers.origin(request.param)
    if request.param == "gemini":
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, api_version="v1beta"))
    else:
        options = types.HttpOptions(base_url=url, api_version="v1")
        token = credentials.Credentials(token="t")
        client = genai.Client(vertexai=True, project="p", location="global", credentials=token, http_options=options)
    with client:
        yield client


async def ask(client: genai.Client, *contents: object, **config: object) -> types.GenerateContentResponse:
    """In a thread: the client's own asynchronous transport keeps connections past the end of a test."""
    return await asyncio.to_thread(
        client.models.generate_content,
        model=MODEL,
        contents=list(contents) or ["a cat"],
        config=types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"], **config),
    )


def name_of(client: genai.Client) -> str:
    return "vertex" if client.vertexai else "gemini"


async def test_a_picture_comes_in_the_frame_and_size_asked_for(client):
    image = types.ImageConfig(aspect_ratio="16:9", image_size="2K")
    answer = await ask(client, image_config=image)
    (blob,) = [part.inline_data for part in answer.parts if part.inline_data]
    with Image.open(io.BytesIO(blob.data)) as picture:
        picture.load()
        assert (picture.size, picture.format) == ((2752, 1536), "PNG")
    assert answer.candidates[0].finish_reason is types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.candidates_tokens_details[0].modality is types.MediaModality.IMAGE
    assert usage.candidates_tokens_details[0].token_count == 1680
    assert usage.total_token_count > usage.candidates_token_count > 1680
    assert (answer.model_version, bool(answer.response_id)) == (MODEL, True)


async def test_references_go_in_as_bytes_and_as_addresses(client, providers):
    sent = [
        types.Part.from_bytes(data=b"\xfb\xef\xff" * 100, mime_type="image/png"),
        types.Part.from_uri(file_uri="https://example.com/cat.webp", mime_type="image/webp"),
    ]
    answer = await ask(client, "two cats", *sent)
    assert answer.usage_metadata.prompt_tokens_details[1].token_count == 2 * 1120
    (call,) = providers.calls(name_of(client), "two cats")
    kinds = [sorted(part) for part in call["request"]["contents"][0]["parts"]]
    assert kinds == [["text"], ["inlineData"], ["fileData"]]
    assert call["request"]["contents"][0]["parts"][1]["inlineData"]["data"].startswith("bytes:")


async def test_thoughts_are_flagged_and_come_when_asked_for(client):
    answer = await ask(client, thinking_config=types.ThinkingConfig(include_thoughts=True))
    assert [bool(part.thought) for part in answer.parts if part.inline_data] == [True, False]


async def test_the_file_type_is_vertexs_alone(client, providers):
    image = types.ImageConfig(output_mime_type="image/jpeg", output_compression_quality=80)
    if not client.vertexai:
        with pytest.raises(ValueError, match="output_mime_type"):
            await ask(client, image_config=image)
        return
    answer = await ask(client, image_config=image)
    (blob,) = [part.inline_data for part in answer.parts if part.inline_data]
    assert (blob.mime_type, blob.data[:3]) == ("image/jpeg", b"\xff\xd8\xff")


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [("policy_output", "IMAGE_SAFETY"), ("recitation", "IMAGE_RECITATION"), ("empty_output", "NO_IMAGE"),
     ("no_image", "STOP"), ("max_tokens", "MAX_TOKENS")],
)  # fmt: skip
async def test_an_end_without_a_picture_has_a_reason_that_the_client_knows(client, providers, scenario, reason):
    providers.dial(name_of(client), scenario)
    answer = await ask(client)
    assert answer.candidates[0].finish_reason is types.FinishReason[reason]
    assert not any(part.inline_data for part in answer.parts or ())


async def test_a_blocked_prompt_is_an_answer_without_candidates(client, providers):
    providers.dial(name_of(client), "policy_input")
    answer = await ask(client)
    assert answer.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
    assert not answer.candidates


@pytest.mark.parametrize(
    ("scenario", "code", "status"),
    [("429_retry_after", 429, "RESOURCE_EXHAUSTED"), ("billing_disabled", 403, "PERMISSION_DENIED"),
     ("region", 400, "FAILED_PRECONDITION"), ("404", 404, "NOT_FOUND"), ("503", 503, "UNAVAILABLE")],
)  # fmt: skip
async def test_errors_are_read_wrapped_or_not(client, providers, scenario, code, status):
    providers.dial(name_of(client), scenario, retry_after_s=23)
    with pytest.raises(errors.APIError) as caught:
        await ask(client)
    assert (caught.value.code, caught.value.status) == (code, status)
    if scenario == "429_retry_after":
        assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23s"} in caught.value.details[
            "error"
        ]["details"]


async def test_a_stream_gives_the_same_picture_parts(client):
    def streamed() -> list[types.GenerateContentResponse]:
        return list(client.models.generate_content_stream(model=MODEL, contents="a cat"))

    answers = await asyncio.to_thread(streamed)
    assert [part.inline_data.mime_type for answer in answers for part in answer.parts if part.inline_data] == [
        "image/png"
    ]


async def test_googles_own_service_accounts_get_a_token(providers):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "client_email": "a@p.iam.example",
        "private_key": pem.decode(),
        "token_uri": providers.origin("vertex") + "/token",
        "type": "service_account",
    }
    account = service_account.Credentials.from_service_account_info(
        json.loads(json.dumps(info)), scopes=["https://www.googleapis.com/auth/cloud-platform"]
    )
    with transport.requests.Session() as session:
        await asyncio.to_thread(account.refresh, transport.Request(session))
    assert account.token.startswith("ya29.")
    assert not account.expired
