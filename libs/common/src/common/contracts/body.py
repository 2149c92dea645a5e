"""What is inside a sealed box: the gateway writes it, dispatchers read it, nobody stores it.

``Sealer.seal(..., body=JobBody(...).model_dump(mode="json"))`` and ``JobBody.model_validate(opener.open(...))``.
"""

from typing import Self

from pydantic import Field, model_validator

from common.contracts.base import Value


class BodyInput(Value):
    """One medium that came with the request: a URL, or a sealed file in the staging bucket.

    ``role`` is the catalogue's name of it. ``key`` is the object's key in the staging bucket and ``file_key`` the
    base64 key that ``FileOpener`` opens it with; both are secrets of the box.
    """

    role: str
    url: str | None = None
    key: str | None = None
    file_key: str | None = None
    media_type: str | None = None
    bytes: int | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.url is None) == (self.key is None) or (self.key is None) != (self.file_key is None):
            raise ValueError("an input has a url, or a key and a file_key")
        return self


class JobBody(Value):
    """The free part of a request: texts by their canonical names, inputs in their order."""

    texts: dict[str, str] = Field(default_factory=dict)
    inputs: tuple[BodyInput, ...] = ()
