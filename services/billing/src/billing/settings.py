"""Every knob of billing; the prefix is BILLING_ unless an alias says otherwise."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class BillingSettings(ServiceSettings):
    """What billing needs to run."""

    model_config = SettingsConfigDict(env_prefix="BILLING_", extra="ignore", populate_by_name=True)

    expire_after_deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 600
    """How long after its deadline a hold without a result is given back."""
    sweep_every_s: Annotated[float, Field(gt=0, le=600)] = 5
    check_every_s: Annotated[float, Field(gt=0, le=3_600)] = 60
    """How often the invariants are evaluated over what has changed lately."""
