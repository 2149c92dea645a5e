"""Every knob of the notifier."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings

_MIN, _H = 60, 3600


class Settings(ServiceSettings):
    """Read from the environment with the prefix ``NOTIFIER_``; shared names have none."""

    model_config = SettingsConfigDict(env_prefix="NOTIFIER_", extra="ignore", populate_by_name=True)

    port: int = 8005
    secrets_key: Annotated[SecretStr, Field(min_length=64, max_length=64)]
    """32 bytes in hex; seals the accounts' signing secrets at rest."""
    egress_allow_cidrs: Annotated[str, Field(validation_alias="EGRESS_ALLOW_CIDRS")] = ""
    """Networks that customers' URLs may reach besides the public internet (comma-separated)."""
    retry_after_s: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(max_length=20)] = (
        5, 5 * _MIN, 30 * _MIN, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H,
    )  # fmt: skip
    """Pauses after each failed try; one more try than there are pauses."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 15.0
    max_in_flight: Annotated[int, Field(ge=1, le=180)] = 150
    """Posts at a time, from this process."""
    max_per_host: Annotated[int, Field(ge=1, le=100)] = 10
    """Of those, to one host and port; fewer while it does not answer."""
    poll_interval_s: Annotated[float, Field(gt=0)] = 1.0
    """How often due deliveries are looked for when nothing woke the sender."""
