"""Our accounts at the providers, from the environment. A provider without a key is no route."""

from collections.abc import Iterable, Mapping

from dispatcher.upstreams import BASE_URLS
from dispatcher.upstreams.classify import origin_of
from dispatcher.upstreams.protocol import Account


class BadAccount(ValueError):  # noqa: N818
    """A provider's settings make no sense; names the variable, never its value."""


def accounts(environ: Mapping[str, str], providers: Iterable[str]) -> dict[str, Account]:
    """The accounts of those providers that have a key.

    Raises:
        BadAccount: a base URL or a media origin that is no http(s) URL, or a provider without any base URL.
    """
    found: dict[str, Account] = {}
    for provider in sorted(set(providers)):
        prefix = f"UPSTREAM_{provider.upper()}_"
        key = environ.get(f"{prefix}API_KEY", "").strip()
        if not key:
            continue
        base_url = (environ.get(f"{prefix}BASE_URL", "").strip() or BASE_URLS.get(provider, "")).rstrip("/")
        origins = [base_url, *environ.get(f"{prefix}MEDIA_ORIGINS", "").replace(",", " ").split()]
        cleaned = [origin_of(url) for url in origins]
        if not all(origin.startswith(("http://", "https://")) for origin in cleaned):
            raise BadAccount(f"{prefix}BASE_URL and {prefix}MEDIA_ORIGINS must be http or https URLs")
        found[provider] = Account(provider, base_url, key, tuple(dict.fromkeys(cleaned)))
    return found
