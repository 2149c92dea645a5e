"""Signature version 4, by botocore's signers alone: a client of boto3 costs 20 MB and three times the time."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

UNSIGNED = "UNSIGNED-PAYLOAD"
MAX_PRESIGN_S = 7 * 24 * 3600  # R2 and S3 accept no longer


class _HeaderSigner(S3SigV4Auth):
    """Takes the payload's hash from the request's context, where we have put the one we computed ourselves."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["payload_sha256"])


class Signer:
    """Signs requests to one endpoint, path-style (R2 and local stores know no other)."""

    def __init__(self, endpoint_url: str, region: str, access_key_id: str, secret_access_key: str) -> None:
        self._endpoint = endpoint_url.rstrip("/")
        self._region = region
        self._credentials = Credentials(access_key_id, secret_access_key)
        self._headers = _HeaderSigner(self._credentials, "s3", region)

    def url(self, bucket: str, key: str, query: Mapping[str, str] | None = None) -> str:
        """The address of an object, with an unsigned query."""
        path = f"{self._endpoint}/{bucket}/{quote(key, safe='/~')}"
        return f"{path}?{urlencode(query, quote_via=quote, safe='')}" if query else path

    def headers(
        self,
        method: str,
        url: str,
        *,
        payload_sha256: str,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """All headers to send, signed; the given ones must be sent exactly as they are."""
        request = AWSRequest(method=method, url=url, headers=dict(headers or {}))
        request.context["payload_sha256"] = payload_sha256
        self._headers.add_auth(request)
        return dict(request.headers.items())

    def presign(self, method: str, url: str, expires_s: int) -> str:
        """A URL that anyone may use until it expires."""
        if not 1 <= expires_s <= MAX_PRESIGN_S:
            raise ValueError(f"a presigned URL lives 1 to {MAX_PRESIGN_S} seconds")
        request = AWSRequest(method=method, url=url)
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=expires_s).add_auth(request)
        return str(request.url)


def as_signed(url: str) -> URL:
    """For the HTTP client: the URL byte for byte, for another spelling of it is another signature."""
    return URL(url, encoded=True)
