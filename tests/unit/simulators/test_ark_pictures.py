import base64
import io

import pytest
from PIL import Image

from support.house import House

IMAGES = "/api/v3/images/generations"


def _body(**fields: object) -> dict[str, object]:
    return {"model": "seedream-5-0-260128", "prompt": "a sleeping dog", "size": "2560x1440", **fields}


async def _drawn(house: House, **fields: object) -> dict:
    status, body, headers = await house.call("ark", "POST", IMAGES, json=_body(**fields))
    assert status == 200, body
    assert headers["x-request-id"]
    return body


async def test_a_picture_comes_by_url_in_the_size_and_type_asked_for(house: House):
    body = await _drawn(house, output_format="png")
    (item,) = body["data"]
    assert (item["size"], body["model"]) == ("2560x1440", "seedream-5-0-260128")
    assert body["usage"] == {"generated_images": 1, "output_tokens": 14_400, "total_tokens": 14_400}
    _, found, headers = await house.call("media", "GET", item["url"])
    assert headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(found)) as picture:
        assert picture.size == (2560, 1440)


async def test_a_picture_comes_inline_as_jpeg_unless_told_otherwise(house: House):
    (item,) = (await _drawn(house, response_format="b64_json"))["data"]
    with Image.open(io.BytesIO(base64.b64decode(item["b64_json"]))) as picture:
        assert (picture.size, picture.format) == ((2560, 1440), "JPEG")


@pytest.mark.parametrize(("size", "drawn"), [("2K", "2048x2048"), ("3k", "3072x3072"), (None, "2048x2048")])
async def test_sizes_have_names(house: House, size: str | None, drawn: str):
    assert (await _drawn(house, size=size))["data"][0]["size"] == drawn


async def test_one_picture_unless_a_sequence_is_asked_for(house: House):
    options = {"max_images": 3}
    assert len((await _drawn(house, sequential_image_generation_options=options))["data"]) == 1
    sequence = {"sequential_image_generation": "auto", "sequential_image_generation_options": options}
    body = await _drawn(house, **sequence)
    assert len({item["url"] for item in body["data"]}) == 3
    assert body["usage"]["generated_images"] == 3


async def test_a_picture_of_a_sequence_may_be_refused_while_the_others_come(house: House):
    await house.dial("ark", "partial_output")
    sequence = {"sequential_image_generation": "auto", "sequential_image_generation_options": {"max_images": 3}}
    body = await _drawn(house, **sequence)
    assert [sorted(item) for item in body["data"]] == [["size", "url"], ["error"], ["size", "url"]]
    assert body["data"][1]["error"]["code"] == "OutputImageSensitiveContentDetected"
    assert body["usage"]["generated_images"] == 2


@pytest.mark.parametrize(
    ("scenario", "code"),
    [("policy_output", "OutputImageSensitiveContentDetected"), ("accepted_then_failed", "InternalServiceError")],
)
async def test_an_answer_may_hold_an_error_in_the_place_of_its_picture(house: House, scenario: str, code: str):
    await house.dial("ark", scenario)
    body = await _drawn(house)
    assert [item["error"]["code"] for item in body["data"]] == [code]
    assert body["usage"]["generated_images"] == 0


async def test_a_stream_tells_of_each_picture_and_ends_in_a_sum(house: House):
    await house.dial("ark", "partial_output")
    sequence = {"sequential_image_generation": "auto", "sequential_image_generation_options": {"max_images": 2}}
    _, body, _ = await house.call("ark", "POST", IMAGES, json=_body(stream=True, **sequence))
    assert [line for line in body.decode().splitlines() if line.startswith("event:")] == [
        "event: image_generation.partial_succeeded",
        "event: image_generation.partial_failed",
        "event: image_generation.completed",
    ]
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "seedream-9"}, 404, "InvalidEndpointOrModel.NotFound"),
        ({"model": None}, 400, "MissingParameter"),
        ({"prompt": None}, 400, "MissingParameter"),
        ({"prompt": " "}, 400, "InvalidParameter"),
        ({"n": 2}, 400, "InvalidParameter"),
        ({"seed": 7}, 400, "InvalidParameter"),
        ({"size": "1K"}, 400, "InvalidParameter"),
        ({"size": "2559x1440"}, 400, "InvalidParameter"),
        ({"size": "4096x4097"}, 400, "InvalidParameter"),
        ({"size": "16384x600"}, 400, "InvalidParameter"),
        ({"output_format": "webp"}, 400, "InvalidParameter"),
        ({"watermark": "no"}, 400, "InvalidParameter"),
        ({"image": "cat.png"}, 400, "InvalidParameter"),
        ({"image": ["https://a/b.png"] * 15}, 400, "InvalidParameter"),
        (
            {
                "image": ["https://a/b.png"] * 14,
                "sequential_image_generation": "auto",
                "sequential_image_generation_options": {"max_images": 2},
            },
            400,
            "InvalidParameter",
        ),
    ],
)
async def test_a_wrong_request_is_refused_as_ark_does(house: House, fields: dict, status: int, code: str):
    answered, body, headers = await house.call("ark", "POST", IMAGES, json=_body(**fields))
    assert (answered, body["error"]["code"]) == (status, code)
    assert headers["x-request-id"] in body["error"]["message"]


async def test_references_are_counted_and_never_kept(house: House):
    data = "data:image/png;base64," + "A" * 400
    body = await _drawn(house, image=[data, "https://example.com/b.png"])
    assert body["usage"]["input_images"] == 2
    (call,) = (await house.journal("ark", operation="submit"))["calls"]
    assert call["request"]["image"][0].startswith("data:") and "AAAA" not in str(call)
    assert "sleeping" not in str(call)
