"""Every knob of storage."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from common.settings import ObjectStoreSettings, ServiceSettings


class Settings(ServiceSettings, ObjectStoreSettings):
    """Read from the environment with the prefix ``STORAGE_``; shared names have none."""

    model_config = SettingsConfigDict(env_prefix="STORAGE_", extra="ignore", populate_by_name=True)

    port: int = 8004
    output_ttl_s: Annotated[int, Field(validation_alias="OUTPUT_TTL_S", ge=1, le=365 * 24 * 3600)] = 7 * 24 * 3600
    """How long customers can fetch an output."""
    sweep_interval_s: Annotated[float, Field(gt=0)] = 2.0
    give_up_after_deadline_s: Annotated[float, Field(ge=0)] = 300.0
    """How long past a job's deadline an output may still be pulled."""
    provider_patience_s: Annotated[float, Field(ge=0)] = 60.0
    """How long a provider may fail to hand out an output (5xx, torn answers, silence) before it is lost."""
    pull_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """One try at one output, from the request to its last byte."""
    pull_read_timeout_s: Annotated[float, Field(gt=0)] = 15.0
    """How long a provider may say nothing."""
    max_pulls_per_provider: Annotated[int, Field(ge=1, le=200)] = 16
    """Pulls at a time from one provider: a media host that hangs holds up nobody else's."""
    max_unsized_pulls: Annotated[int, Field(ge=1, le=50)] = 2
    """Of outputs that do not say their length: each takes up to three parts of 8 MiB in memory."""
    max_image_bytes: int = 64 * 1024 * 1024
    max_video_bytes: int = 2 * 1024 * 1024 * 1024
