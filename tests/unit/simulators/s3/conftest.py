"""A real endpoint in a process of its own, and the clients that test it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS, SECRET = "test-access", "test-secret"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of an XML error."""
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


@dataclass
class Stand:
    """An endpoint that can be killed and started again on the same folder and port."""

    folder: Path
    options: tuple[str, ...] = ()
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=256))
    child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def start(self) -> None:
        fd = self.listener.fileno()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "simulators.s3", "--data", str(self.folder), "--fd", str(fd), *self.options],
            pass_fds=[fd],
            env={**os.environ, "S3_ACCESS_KEY_ID": ACCESS, "S3_SECRET_ACCESS_KEY": SECRET},
        )
        assert self.fetch("GET", "/healthz").body == b"ok\n"

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.child is not None:
            self.child.send_signal(number)
            self.child.wait(timeout=15)
            self.child = None

    def client(self, secret: str = SECRET, access: str = ACCESS, **options: Any) -> "S3Client":
        config = Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            retries={"max_attempts": 1},
            connect_timeout=5,
            read_timeout=20,
            **options,
        )
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name="auto",
            config=config,
        )

    def fetch(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send exactly this; `target` is a path or a whole URL."""
        url = target if target.startswith("http") else self.url + target
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def presign(self, method: str, path: str, expires_s: int = 600, secret: str = SECRET) -> str:
        request = AWSRequest(method, self.url + path)
        S3SigV4QueryAuth(Credentials(ACCESS, secret), "s3", "auto", expires=expires_s).add_auth(request)
        return str(request.url)

    def signed(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        trailer: bool = False,
    ) -> dict[str, str]:
        """Headers of a request signed in its headers; with `trailer`, for an aws-chunked body left unsigned."""
        request = AWSRequest(method, self.url + path, data=body, headers=headers)
        if trailer:
            request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        S3SigV4Auth(Credentials(ACCESS, SECRET), "s3", "auto").add_auth(request)
        return dict(request.headers.items())

    def turn(self, name: str, **fields: Any) -> dict[str, Any]:
        answer = self.fetch("PUT", f"/__{name}", json.dumps(fields).encode(), {"content-type": "application/json"})
        assert answer.status == 200, answer
        turned: dict[str, Any] = json.loads(answer.body)
        return turned


@pytest.fixture(scope="session")
def shared_stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """For tests that turn no dial."""
    stand = Stand(tmp_path_factory.mktemp("s3"))
    stand.start()
    yield stand
    stand.stop()
    stand.listener.close()


@pytest.fixture
def own_stand(tmp_path: Path) -> Iterator[Stand]:
    """For tests that turn dials or kill."""
    stand = Stand(tmp_path / "s3", ("--bucket", "box"))
    stand.start()
    yield stand
    stand.stop()
    stand.listener.close()


@pytest.fixture
def s3(shared_stand: Stand) -> Iterator["S3Client"]:
    client = shared_stand.client()
    yield client
    client.close()


@pytest.fixture
def bucket(s3: "S3Client") -> str:
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name
