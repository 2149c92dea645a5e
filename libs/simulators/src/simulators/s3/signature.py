"""Nothing passes unless its AWS Signature Version 4 holds: in a header, or presigned in the query.

Source: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from simulators.s3.errors import S3Error
from simulators.s3.wire import Request

SKEW_LIMIT_S = 15 * 60
EXPIRY_LIMIT_S = 7 * 24 * 3600
ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"

_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_SPACES = re.compile(r" {2,}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Claim(NamedTuple):
    """What a request says about its own signature."""

    access_key: str
    scope: list[str]  # date, region, service, terminator
    timestamp: str
    signed_headers: list[str]
    signature: str


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=64)
def _instant(timestamp: str) -> float | None:
    match = _TIMESTAMP.fullmatch(timestamp)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _header_claim(authorization: str, timestamp: str) -> _Claim:
    malformed = S3Error("AuthorizationHeaderMalformed", "The authorization header that you provided is not valid.")
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise S3Error(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        )
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    try:
        access_key, *scope = fields["Credential"].rsplit("/", 4)
        claim = _Claim(access_key, scope, timestamp, fields["SignedHeaders"].split(";"), fields["Signature"])
    except KeyError:
        raise malformed from None
    if len(claim.scope) != 4:
        raise malformed
    return claim


def _query_claim(query: dict[str, str]) -> tuple[_Claim, int]:
    malformed = S3Error(
        "AuthorizationQueryParametersError",
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
        "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    )
    try:
        access_key, *scope = query["X-Amz-Credential"].rsplit("/", 4)
        claim = _Claim(
            access_key,
            scope,
            query["X-Amz-Date"],
            query["X-Amz-SignedHeaders"].split(";"),
            query["X-Amz-Signature"],
        )
        expires_s = int(query["X-Amz-Expires"])
    except (KeyError, ValueError):
        raise malformed from None
    if len(claim.scope) != 4 or query["X-Amz-Algorithm"] != ALGORITHM:
        raise malformed
    if not 0 < expires_s <= EXPIRY_LIMIT_S:
        raise S3Error(
            "AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 (a week, in seconds)"
        )
    return claim, expires_s


class Verifier:
    """Knows the secrets and decides whether a request was signed with one of them, and recently enough."""

    def __init__(self, secrets: dict[str, str], regions: frozenset[str]) -> None:
        self._secrets = secrets
        self._regions = regions

    def verify(self, request: Request, now_s: float) -> None:
        """Set what the signature says about the body on the request, or raise S3Error."""
        authorization = request.headers.get("authorization")
        if "X-Amz-Algorithm" in request.query or "X-Amz-Signature" in request.query:
            if authorization is not None:
                raise S3Error("InvalidArgument", "Only one auth mechanism allowed")
            claim, expires_s = _query_claim(request.query)
            signed_at_s = self._dated(claim)
            if now_s > signed_at_s + expires_s:
                raise S3Error("AccessDenied", "Request has expired")
            if signed_at_s > now_s + SKEW_LIMIT_S:
                raise S3Error("AccessDenied", "Request is not yet valid")
            pairs = [pair for pair in request.pairs if pair[0] != "X-Amz-Signature"]
            payload = request.headers.get("x-amz-content-sha256", UNSIGNED)
        elif authorization is not None:
            claim = _header_claim(authorization, request.headers.get("x-amz-date", ""))
            if abs(now_s - self._dated(claim)) > SKEW_LIMIT_S:
                raise S3Error(
                    "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large.",
                )
            pairs = request.pairs
            payload = request.headers.get("x-amz-content-sha256", "")
            if not payload:
                raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        else:
            raise S3Error("AccessDenied", "Access Denied")
        if payload != UNSIGNED and not payload.startswith("STREAMING-") and not _SHA256.fullmatch(payload):
            raise S3Error(
                "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-* or a SHA256."
            )
        self._check(request, claim, pairs, payload)
        request.payload = payload

    def _dated(self, claim: _Claim) -> float:
        signed_at_s = _instant(claim.timestamp)
        if signed_at_s is None:
            raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
        return signed_at_s

    def _check(self, request: Request, claim: _Claim, pairs: list[tuple[str, str]], payload: str) -> None:
        date, region, service, terminator = claim.scope
        if date != claim.timestamp[:8] or service != "s3" or terminator != "aws4_request":
            raise S3Error("AuthorizationHeaderMalformed", "The credential scope does not match the request.")
        if region not in self._regions:
            raise S3Error("AuthorizationHeaderMalformed", f"The region '{region}' is wrong for this endpoint.")
        secret = self._secrets.get(claim.access_key)
        if secret is None:
            raise S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        headers = request.headers
        signed = set(claim.signed_headers)
        unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
        if unsigned or "host" not in signed:
            raise S3Error("AccessDenied", "There were headers present in the request which were not signed")
        encoded = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in pairs)
        canonical = "\n".join(
            (
                request.method,
                quote(request.path, safe="/"),
                "&".join(f"{name}={value}" for name, value in encoded),
                *(f"{name}:{_SPACES.sub(' ', headers.get(name, '').strip())}" for name in claim.signed_headers),
                "",
                ";".join(claim.signed_headers),
                payload,
            )
        )
        digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
        to_sign = f"{ALGORITHM}\n{claim.timestamp}\n{'/'.join(claim.scope)}\n{digest}"
        expected = hmac.digest(_signing_key(secret, date, region), to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise S3Error(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method.",
            )
