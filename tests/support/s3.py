"""Our own S3 endpoint as a child process, with its dials in reach."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.settings import ObjectStoreSettings

ACCESS_KEY, SECRET_KEY = "AKTEST", "secret-of-the-tests"


class S3:
    """A running endpoint."""

    def __init__(self, url: str) -> None:
        self.url = url

    def settings(self, **other: str) -> ObjectStoreSettings:
        """What a service would be given; ``other`` replaces parts of it."""
        return ObjectStoreSettings.model_validate(
            {
                "S3_ENDPOINT_URL": self.url,
                "S3_BUCKET": "outputs",
                "S3_STAGING_BUCKET": "staging",
                "S3_ACCESS_KEY_ID": ACCESS_KEY,
                "S3_SECRET_ACCESS_KEY": SECRET_KEY,
                **other,
            }
        )

    def dial(self, **fields: Any) -> None:
        """Set the faults; none at all with no fields."""
        self._ask("PUT", "/__dials", fields)

    def turn_clock(self, offset_s: float = 0, signing_offset_s: float = 0) -> None:
        """Let time pass, for lifecycle rules and for signatures."""
        self._ask("PUT", "/__clock", {"offset_s": offset_s, "signing_offset_s": signing_offset_s})

    def stats(self) -> dict[str, Any]:
        """What it has served."""
        return self._ask("GET", "/__stats", None)

    def _ask(self, method: str, path: str, fields: dict[str, Any] | None) -> dict[str, Any]:
        body = None if fields is None else json.dumps(fields).encode()
        asked = urllib.request.Request(self.url + path, data=body, method=method)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            answered: dict[str, Any] = json.load(answer)
            return answered


@contextmanager
def running_s3(folder: Path, *options: str) -> Iterator[S3]:
    """The endpoint on a free port with its buckets; gone afterwards."""
    command = [sys.executable, "-m", "simulators", "s3", "--data", str(folder), "--port", "0"]
    command += ["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]
    command += ["--bucket", "outputs", "--bucket", "staging", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert " on http://" in line, f"the endpoint said {line!r}"
            yield S3(line.split(" on ", 1)[1].strip())
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
