"""Bodies within their limits, in whatever pieces they arrive; files sealed, never written in plain."""

import asyncio
import hashlib
from collections.abc import AsyncIterable
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from common.ids import new_id
from common.sealing import FileOpener
from gateway.api.reading import limits, multipart
from gateway.api.reading.arriving import pieces
from gateway.api.reading.json_bodies import LargeBodies, parse, read_json
from gateway.api.reading.multipart import Form, read_multipart
from gateway.api.reading.staging import Staging
from gateway.errors import InvalidRequest, RequestTimedOut, TooLarge, UnsupportedBody

BOUNDARY = "xYzZY"
JOB: UUID = new_id()


class MemoryStore:
    """An object store that keeps what it is given; as small as a real one can be."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, bucket: str, key: str, body: bytes, media_type: str, *, only_new: bool = True) -> bool:
        self.objects[key] = body
        return True

    async def put_stream(
        self,
        bucket: str,
        key: str,
        chunks: AsyncIterable[bytes],
        media_type: str,
        *,
        length: int | None,
        max_bytes: int,
    ) -> None:
        self.objects[key] = b"".join([chunk async for chunk in chunks])

    async def delete(self, bucket: str, key: str) -> None:
        self.objects.pop(key, None)


def a_request(pieces: list[bytes], content_type: str, *, length: int | None = None) -> Request:
    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    waiting = list(pieces)

    async def receive() -> dict[str, object]:
        body = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    return Request(scope, receive)


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(body[at : at + size])
        at += size
    return [*pieces, body[at:]]


def a_form(parts: list[tuple[str, bytes, str | None]]) -> bytes:
    body = b""
    for name, value, filename in parts:
        file = f'; filename="{filename}"' if filename is not None else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += value + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


async def read(body: bytes, sizes: list[int], store: MemoryStore) -> Form:
    request = a_request(cut(body, sizes), f"multipart/form-data; boundary={BOUNDARY}")
    return await read_multipart(request, Staging(store, "staging"), JOB)  # type: ignore[arg-type]


def opened(store: MemoryStore, key: str, file_key: str) -> bytes:
    opener = FileOpener(file_key)
    return opener.update(store.objects[key]) + opener.finish()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=2_000) | st.sampled_from([b"\r\n--xYzZ", b"\r\n--xYzZY", b"\r\n\r\n--", b"\x00" * 200_000]),
    st.lists(st.integers(1, 400), max_size=20),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=50),
)
async def test_a_form_reads_the_same_in_any_pieces(file: bytes, sizes: list[int], text: str) -> None:
    if f"\r\n--{BOUNDARY}".encode() in file:
        file = file.replace(b"Y", b"W")
    store = MemoryStore()
    form = await read(a_form([("prompt", text.encode(), None), ("input_reference", file, "n.png")]), sizes, store)
    assert form.fields == {"prompt": text}
    ((name, staged),) = form.files
    assert (name, staged.bytes, staged.sha256) == ("input_reference", len(file), hashlib.sha256(file).hexdigest())
    assert opened(store, staged.key, staged.file_key) == file


async def test_what_is_stored_of_a_file_tells_nothing_of_it() -> None:
    store = MemoryStore()
    canary = b"CANARY-0815" * 10_000
    form = await read(a_form([("input_reference", canary * 20, "CANARY.png")]), [70_000] * 20, store)
    (key, sealed), *_ = store.objects.items()
    assert b"CANARY" not in sealed
    assert "CANARY" not in key
    assert opened(store, key, form.files[0][1].file_key) == canary * 20


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=8))
async def test_any_bytes_are_a_form_or_a_refusal(body: bytes, sizes: list[int]) -> None:
    try:
        await read(body, sizes, MemoryStore())
    except (InvalidRequest, TooLarge):
        return


@pytest.mark.parametrize(
    "parts",
    [
        [("p", b"x", None)] * (limits.PARTS + 1),
        [("f", b"x", "f.png")] * (limits.FILES + 1),
    ],
)
async def test_too_many_parts_are_refused(parts: list[tuple[str, bytes, str | None]]) -> None:
    with pytest.raises(TooLarge):
        await read(a_form(parts), [], MemoryStore())


async def test_a_form_cut_short_is_refused() -> None:
    body = a_form([("prompt", b"hello", None)])
    for at in (10, len(body) // 2, len(body) - len(BOUNDARY) - 6):
        with pytest.raises(InvalidRequest):
            await read(body[:at], [], MemoryStore())


async def test_a_chunked_form_is_bounded_while_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MULTIPART_BYTES", 10_000)
    with pytest.raises(TooLarge):
        await read(a_form([("prompt", b"x" * 20_000, None)]), [1_000] * 30, MemoryStore())


# JSON


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"a": NaN}', b"\xff", b'{"a":' * 40 + b"1" + b"}" * 40])
def test_what_is_no_object_or_too_deep_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(body)


def test_a_body_that_would_become_millions_of_objects_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse(b'{"a": [' + b"[]," * 200_000 + b"[]]}")


def test_thirty_two_levels_are_enough_for_anybody() -> None:
    body = b'{"a":' * 32 + b"1" + b"}" * 32
    assert parse(body)


async def test_a_json_body_over_the_limit_is_refused_by_its_announcement() -> None:
    with pytest.raises(TooLarge):
        await read_json(a_request([b"{}"], "application/json", length=limits.JSON_BYTES + 1), LargeBodies(), JOB)


async def test_only_json_is_read_as_json() -> None:
    with pytest.raises(UnsupportedBody):
        await read_json(a_request([b"{}"], "text/json"), LargeBodies(), JOB)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_refusal(body: bytes) -> None:
    try:
        assert isinstance(parse(body), dict)
    except InvalidRequest as refused:
        assert body.decode("latin-1") not in str(refused) or len(body) < 3


async def test_a_client_that_stops_sending_is_told_so() -> None:
    async def receive() -> dict[str, object]:
        if not begun:
            begun.append(True)
            return {"type": "http.request", "body": b'{"a":', "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError

    begun: list[bool] = []
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    with pytest.raises(RequestTimedOut):
        async for _ in pieces(request, idle_s=0.05):
            pass


async def test_one_account_cannot_take_every_place_for_large_bodies() -> None:
    large, greedy, other = LargeBodies(), new_id(), new_id()
    async with AsyncExitStack() as taken:
        for _ in range(2):
            await taken.enter_async_context(large.place(greedy))
        more = [asyncio.create_task(taken.enter_async_context(large.place(greedy))) for _ in range(10)]
        await asyncio.sleep(0.01)
        assert not any(one.done() for one in more)
        async with asyncio.timeout(5), large.place(other):
            pass
        for one in more:
            one.cancel()


async def test_a_stalled_large_body_holds_up_no_small_one() -> None:
    large, account = LargeBodies(), new_id()
    async with large.place(account), large.place(account):
        async with asyncio.timeout(5):
            assert await read_json(a_request([b'{"a"', b":1}"], "application/json"), large, account) == {"a": 1}
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await read_json(a_request([b'{"a":"' + b"x" * 2**21, b'"}'], "application/json"), large, account)
