"""Every knob of the dispatcher; the prefix is DISPATCHER_ unless an alias says otherwise.

Providers' accounts are read apart (``routing/accounts.py``): their names come from the catalogue.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from common.settings import ObjectStoreSettings, ServiceSettings


class DispatcherSettings(ServiceSettings, ObjectStoreSettings):
    """What the dispatcher needs to run."""

    model_config = SettingsConfigDict(env_prefix="DISPATCHER_", extra="ignore", populate_by_name=True)

    sealing_keys_file: Path
    """Private keys of the sealing epochs; only dispatchers have them."""
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = 8
    drain_s: Annotated[float, Field(gt=0)] = 620
    """The longest synchronous deadline and 30 s: a picture that is being made is waited for."""

    breaker_cool_down_s: Annotated[float, Field(gt=0, le=3_600)] = 15
    """How long an open breaker waits for its first probe."""
    breaker_window_s: Annotated[float, Field(gt=0, le=600)] = 30
    breaker_min_failures: Annotated[float, Field(ge=1)] = 5
    breaker_min_share: Annotated[float, Field(gt=0, le=1)] = 0.5

    public_url: str | None = None
    """Where providers reach this service to call back (``https://callbacks.example``); without, none is asked to."""
    callback_secret: SecretStr | None = None
    """Makes the addresses that providers call; the same for all replicas."""

    lease_s: Annotated[float, Field(ge=3, le=300)] = 15
    """A process that does not renew its lease for this long loses its jobs to others."""
    renew_every_s: Annotated[float, Field(gt=0, le=100)] = 5
    take_every_s: Annotated[float, Field(gt=0, le=100)] = 3
    """How often jobs of dead owners are looked for."""
    take_batch: Annotated[int, Field(ge=1, le=1_000)] = 200

    max_running_jobs: Annotated[int, Field(ge=1, le=200_000)] = 20_000
    """More are left in the queue."""
    poll_workers: Annotated[int, Field(ge=1, le=1_000)] = 64
    """Questions open at one provider at a time."""
    lost_contact_s: Annotated[float, Field(gt=0)] = 60
    """An accepted order whose provider gives no usable answer for this long is given up."""

    republish_after_s: Annotated[float, Field(gt=0)] = 2
    sweep_every_s: Annotated[float, Field(gt=0, le=60)] = 1
    check_every_s: Annotated[float, Field(gt=0, le=3_600)] = 60
    overdue_slack_s: Annotated[float, Field(gt=0)] = 30
    """A job this long past its deadline without a verdict breaks an invariant, and is ended."""
    keep_days: Annotated[float, Field(ge=1)] = 15
    """Final jobs are forgotten after this; longer than any message can come back."""

    @model_validator(mode="after")
    def _address_has_secret(self) -> Self:
        if self.public_url and (self.callback_secret is None or len(self.callback_secret.get_secret_value()) < 16):
            raise ValueError("DISPATCHER_PUBLIC_URL needs a DISPATCHER_CALLBACK_SECRET of at least 16 characters")
        return self
