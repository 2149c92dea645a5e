"""The proof after `make up`: a picture and a video through the public API, paid for, fetched back."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from stack import calls, snippets
from stack.errors import CannotSetUp
from stack.state import State, read_client_file

_VIDEO_LIMIT_S = 120
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Made:
    """One finished job."""

    what: str
    url: str
    size_bytes: int
    took_ms: int


def prove(state: State) -> int:
    """Run both jobs side by side and print what came of them, the balance, and what to paste."""
    env = read_client_file(state.env)
    base_url, native_url, api_key = (
        env.get(name, "") for name in ("REAPI_BASE_URL", "REAPI_NATIVE_URL", "REAPI_API_KEY")
    )
    if not api_key:
        raise CannotSetUp("There is no stack to prove: run `make up` first.")
    try:
        before = _balance(native_url, api_key)
        available = _available(base_url, api_key)
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(make, base_url, api_key) for model, make in _PROOFS.items() if model in available]
            made = [job.result() for job in jobs]
        after = _balance(native_url, api_key)
    except OSError as reason:
        raise CannotSetUp(f"The proof failed: {base_url} does not answer ({reason}). Logs: {state.logs}") from reason
    for one in made:
        print(f"  {one.what:<6} {one.size_bytes:>9,} bytes  {one.took_ms:>6,} ms  {one.url}")
    for model in sorted(_PROOFS.keys() - available):
        print(f"  {model} has no provider among those set, so it was not tried")
    print(f"  credits before {before}, after {after}")
    print(f"\nConsole: {env['REAPI_CONSOLE_URL']}\nAddresses, keys and process ids: {state.env}\n")
    print(snippets.curl(base_url, api_key), snippets.python(base_url, api_key), sep="\n\n")
    return 0


def _image(base_url: str, api_key: str) -> Made:
    began = time.monotonic()
    wish = {"model": "gpt-image-2", "prompt": "a lighthouse at dawn", "response_format": "url"}
    answer = _expect(calls.post(f"{base_url}/images/generations", wish, api_key), "The image")
    url = str(answer["data"][0]["url"])
    picture = _fetch(url, None)
    if not picture.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF")):
        raise CannotSetUp(f"The proof failed: {url} is no picture.")
    return Made("image", url, len(picture), round((time.monotonic() - began) * 1000))


def _video(base_url: str, api_key: str) -> Made:
    began = time.monotonic()
    wish = {"model": "seedance-2.0", "prompt": "waves under the lighthouse"}
    video = _expect(calls.post(f"{base_url}/videos", wish, api_key), "The video")
    location = f"{base_url}/videos/{video['id']}"
    while video["status"] in {"queued", "in_progress"}:
        if time.monotonic() - began > _VIDEO_LIMIT_S:
            raise CannotSetUp(f"The proof failed: {location} is not final after {_VIDEO_LIMIT_S} s.")
        time.sleep(_POLL_S)
        video = _expect(calls.get(location, api_key), "The video")
    if video["status"] != "completed":
        raise CannotSetUp(f"The proof failed: the video ended as {video['status']}: {video.get('error')}")
    film = _fetch(f"{location}/content", api_key)
    if film[4:8] != b"ftyp":
        raise CannotSetUp(f"The proof failed: {location}/content is no MP4.")
    return Made("video", f"{location}/content", len(film), round((time.monotonic() - began) * 1000))


_PROOFS = {"gpt-image-2": _image, "seedance-2.0": _video}


def _available(base_url: str, api_key: str) -> set[str]:
    """Models that a configured provider serves."""
    models = _expect(calls.get(f"{base_url}/models", api_key), "The list of models")
    return {model["id"] for model in models["data"] if model["available"]}


def _balance(native_url: str, api_key: str) -> str:
    answer = _expect(calls.get(f"{native_url}/balance", api_key), "The balance")
    return f"{answer['available_credits']:,}"


def _fetch(url: str, api_key: str | None) -> bytes:
    """The bytes behind a link, through the redirects of media links; only the first host sees the key."""
    for _ in range(4):
        answer = calls.get(url, api_key)
        if answer.status not in {301, 302, 303, 307, 308}:
            break
        url, api_key = str(answer.headers["Location"]), None
    if answer.status != 200:
        raise CannotSetUp(f"The proof failed: {url.split('?')[0]} answers {answer.status}.")
    return answer.body


def _expect(answer: calls.Answer, what: str) -> dict[str, Any]:
    if answer.status not in {200, 202}:
        raise CannotSetUp(f"The proof failed: {what} was answered {answer.status}: {answer.body[:300].decode()}")
    return answer.json()
