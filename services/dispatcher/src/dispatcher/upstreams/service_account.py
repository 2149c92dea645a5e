"""The signed claim to be one of Google Cloud's service accounts (RFC 7523), made from the account's JSON file."""

import time
from typing import Any

import orjson
import pybase64
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_CLAIM_LIFE_S = 3_600
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def claim(secret: str) -> tuple[str, str]:
    """Where to send the claim, and the claim. Raises ValueError if the file is not that of a service account."""
    try:
        account = orjson.loads(secret)
        url, email, key_id = str(account["token_uri"]), account["client_email"], account.get("private_key_id")
        key = load_pem_private_key(account["private_key"].encode(), password=None)
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm):
        # The chain is cut: what cannot be read is a secret all the same.
        raise ValueError("not the JSON file of a service account") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("a service account signs with an RSA key")  # noqa: TRY004 - what it says is wrong
    now = int(time.time())
    said = {"iss": email, "scope": _SCOPE, "aud": url, "iat": now, "exp": now + _CLAIM_LIFE_S}
    signed = f"{_part({'alg': 'RS256', 'typ': 'JWT', 'kid': key_id})}.{_part(said)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
    return url, f"{signed}.{_base64(signature)}"


def _part(value: dict[str, Any]) -> str:
    return _base64(orjson.dumps(value))


def _base64(body: bytes) -> str:
    return pybase64.urlsafe_b64encode(body).decode().rstrip("=")
