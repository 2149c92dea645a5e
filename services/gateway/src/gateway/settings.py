"""Every knob of the gateway; the unit stands at the end of the name."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from common.settings import ObjectStoreSettings, ServiceSettings

HexKey = Annotated[SecretStr, Field(min_length=64, max_length=128)]
"""32 bytes or more in hexadecimal."""


class Settings(ServiceSettings, ObjectStoreSettings):
    """Read from ``GATEWAY_*`` and the shared names."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", extra="ignore", populate_by_name=True)

    public_url: str
    """Where customers reach us, without a path."""
    media_url: str
    """The host of media links, without a path; best one of its own."""
    billing_url: str
    sealing_keys_file: str
    key_pepper: HexKey
    body_hash_key: HexKey
    media_signing_key: HexKey
    providers: str | None = None
    """Names of the providers that dispatchers have keys for, comma-separated; unset: all. A model none of whose
    providers is among them is listed as not available and refused before anything is held."""
    egress_allow_cidrs: Annotated[str, Field(validation_alias="EGRESS_ALLOW_CIDRS")] = ""
    """Networks besides the public internet that customers' URLs may name, comma-separated."""

    drain_s: Annotated[float, Field(gt=0)] = 620
    """The longest synchronous answer and 30 s."""
    key_cache_s: Annotated[float, Field(ge=0, le=5)] = 3
    key_patience_s: Annotated[float, Field(gt=0)] = 10
    """How long a request waits for the database to say whose key it carries."""
    publish_timeout_s: Annotated[float, Field(gt=0)] = 2
    accept_within_s: Annotated[float, Field(gt=0)] = 30
    """Billing holds nothing that was submitted longer ago."""
    decision_wait_s: Annotated[float, Field(gt=0)] = 5
    """An asynchronous request is answered by then, decided or not."""
    synchronous_limit_s: Annotated[float, Field(gt=0)] = 590
    """Just under the 600 s after which stock SDKs give up."""
    cancel_wait_s: Annotated[float, Field(ge=0)] = 5
    long_poll_limit_s: Annotated[float, Field(gt=0)] = 60
    sweep_s: Annotated[float, Field(gt=0)] = 5
    overdue_grace_s: Annotated[float, Field(gt=0)] = 12 * 60
    """After a job's deadline; billing itself gives up two minutes earlier."""
    idempotency_life_s: Annotated[float, Field(gt=0)] = 24 * 3600
    adoption_window_s: Annotated[float, Field(gt=0)] = 15 * 60
    media_redirect_life_s: Annotated[int, Field(gt=0, le=600)] = 600

    @property
    def configured_providers(self) -> frozenset[str] | None:
        """The providers' names; None: all."""
        if self.providers is None:
            return None
        return frozenset(name.strip().lower() for name in self.providers.split(",") if name.strip())

    @field_validator("public_url", "media_url", "billing_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("must be an origin such as https://api.example.com")
        return value.rstrip("/")
