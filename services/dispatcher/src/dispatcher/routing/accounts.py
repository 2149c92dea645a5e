"""Our accounts at the providers, from the environment. A provider without a key is no route."""

import hashlib
from collections.abc import Iterable, Mapping

from dispatcher.upstreams import BASE_URLS
from dispatcher.upstreams.classify import origin_of
from dispatcher.upstreams.protocol import Account


class BadAccount(ValueError):  # noqa: N818
    """A provider's settings make no sense; names the variable, never its value."""


def accounts(environ: Mapping[str, str], providers: Iterable[str]) -> dict[str, tuple[Account, ...]]:
    """The accounts of those providers that have a key, one for each of its keys.

    Raises:
        BadAccount: a base URL or a media origin that is no http(s) URL, a provider without any base URL, or a limit
            that is no positive number.
    """
    found: dict[str, tuple[Account, ...]] = {}
    for provider in sorted(set(providers)):
        prefix = f"UPSTREAM_{provider.upper()}_"
        keys = _keys(environ.get(f"{prefix}API_KEY", ""))
        if not keys:
            continue
        base_url = (environ.get(f"{prefix}BASE_URL", "").strip() or BASE_URLS.get(provider, "")).rstrip("/")
        origins = [base_url, *environ.get(f"{prefix}MEDIA_ORIGINS", "").replace(",", " ").split()]
        cleaned = [origin_of(url) for url in origins]
        if not all(origin.startswith(("http://", "https://")) for origin in cleaned):
            raise BadAccount(f"{prefix}BASE_URL and {prefix}MEDIA_ORIGINS must be http or https URLs")
        found[provider] = tuple(
            Account(
                provider=provider,
                base_url=base_url,
                api_key=key,
                origins=tuple(dict.fromkeys(cleaned)),
                label=label_of(key),
                max_concurrent=_limit(environ, f"{prefix}MAX_CONCURRENT"),
                max_per_minute=_limit(environ, f"{prefix}MAX_PER_MINUTE"),
            )
            for key in keys
        )
    return found


def label_of(api_key: str) -> str:
    """A name for a key in rows and logs that tells nothing of it."""
    return hashlib.blake2b(api_key.encode(), person=b"reapi key label", digest_size=4).hexdigest()


def _keys(written: str) -> list[str]:
    """Several keys are separated by commas; a document in JSON (a service account) is one."""
    if written.strip().startswith("{"):
        return [written.strip()]
    return list(dict.fromkeys(written.replace(",", " ").split()))


def _limit(environ: Mapping[str, str], name: str) -> int | None:
    written = environ.get(name, "").strip()
    if not written:
        return None
    if not written.isascii() or not written.isdigit() or not 0 < int(written) <= 1_000_000:
        raise BadAccount(f"{name} must be a positive whole number")
    return int(written)
