"""Settings every service has. Each service subclasses with its own prefix; shared names carry none.

Units stand last in the names. Secrets have no defaults: a service that lacks one does not start, and says which.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What each of the five services needs to run."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    database_url: SecretStr
    """The service's own login, with rights on its own schema alone."""
    database_pool_size: Annotated[int, Field(ge=1, le=100)] = 6
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    drain_s: Annotated[float, Field(gt=0)] = 30
    """How long a stopping process may finish what it has begun."""

    amqp_url: Annotated[SecretStr, Field(validation_alias="AMQP_URL")]
    internal_token: Annotated[SecretStr, Field(validation_alias="INTERNAL_TOKEN", min_length=16)]
    """Bearer token of the services' internal HTTP API."""
    log_level: Annotated[str, Field(validation_alias="LOG_LEVEL")] = "INFO"
    trace_file: Annotated[Path | None, Field(validation_alias="TRACE_FILE")] = None
    """Spans as JSON lines go to this file (local stack)."""
    otlp_endpoint: Annotated[str | None, Field(validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")] = None
    trace_ratio: Annotated[float, Field(validation_alias="TRACE_RATIO", ge=0, le=1)] = 0.01
    """Share of jobs whose trace is recorded; metrics are always exact."""


class ObjectStoreSettings(BaseSettings):
    """Where outputs and sealed files live."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    s3_endpoint_url: Annotated[str, Field(validation_alias="S3_ENDPOINT_URL")]
    s3_bucket: Annotated[str, Field(validation_alias="S3_BUCKET")]
    s3_staging_bucket: Annotated[str, Field(validation_alias="S3_STAGING_BUCKET")]
    s3_access_key_id: Annotated[str, Field(validation_alias="S3_ACCESS_KEY_ID")]
    s3_secret_access_key: Annotated[SecretStr, Field(validation_alias="S3_SECRET_ACCESS_KEY")]
    s3_region: Annotated[str, Field(validation_alias="S3_REGION")] = "auto"
