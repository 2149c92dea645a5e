"""Every knob of billing; the prefix is BILLING_ unless an alias says otherwise."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class BillingSettings(ServiceSettings):
    """What billing needs to run."""

    model_config = SettingsConfigDict(env_prefix="BILLING_", extra="ignore", populate_by_name=True)

    expire_after_deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 600
    """How long after its deadline a hold without a result is given back."""
    max_open_holds: Annotated[int, Field(ge=1)] = 10_000
    """Paid jobs that one account may have open at a time."""
    starting_credits: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """What a person who signs up is given; 0: nothing."""
    starting_credits_a_day: Annotated[int, Field(ge=0)] = 1_000
    """To so many accounts a day (UTC), whoever they are."""
    sweep_every_s: Annotated[float, Field(gt=0, le=600)] = 5
    check_every_s: Annotated[float, Field(gt=0, le=3_600)] = 60
    """How often the invariants are evaluated over what has changed lately."""

    stripe_api_key: Annotated[SecretStr, Field(validation_alias="STRIPE_API_KEY")] = SecretStr("")
    """Without one nothing can be bought here; what is there is spent as ever."""
    stripe_webhook_secret: Annotated[SecretStr, Field(validation_alias="STRIPE_WEBHOOK_SECRET")] = SecretStr("")
    stripe_api_base: Annotated[str, Field(validation_alias="STRIPE_API_BASE")] = ""
    """Only for a simulator; Stripe's own address otherwise."""
    stripe_tax: bool = False
    """Have Stripe work out taxes and add them."""
    reconcile_every_s: Annotated[float, Field(gt=0, le=86_400)] = 300
    """How often Stripe is looked through for what nobody told of."""

    @model_validator(mode="after")
    def _secret_with_key(self) -> Self:
        # An empty secret would make everybody's signature right.
        if self.stripe_api_key.get_secret_value() and len(self.stripe_webhook_secret.get_secret_value()) < 16:
            raise ValueError("STRIPE_WEBHOOK_SECRET must be set where STRIPE_API_KEY is: whsec_... from Stripe")
        return self
