"""Media among the fields of a request: files of a form, URLs, and data URIs, each in the role its field gives it.

Files are already sealed and staged; data URIs become so here. URLs are judged by the egress guard now, so that a
customer hears at once; who fetches them judges again.
"""

import binascii
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pybase64

from common.catalogue import Dialect, Input, Model, speakable
from common.contracts.body import BodyInput
from common.egress import EgressPolicy, EgressRefused, check_url
from gateway.api.reading.fetching import fetch
from gateway.api.reading.limits import FILE_BYTES, FILES
from gateway.api.reading.multipart import Form
from gateway.api.reading.staging import StagedFile, Staging
from gateway.errors import InvalidRequest, TooLarge


@dataclass(frozen=True, slots=True)
class Media:
    """The inputs of a request, and the digests of those that came as bytes."""

    inputs: tuple[BodyInput, ...]
    digests: dict[str, str]

    @property
    def roles(self) -> list[str]:
        """Their roles, one per input."""
        return [one.role for one in self.inputs]


class MediaFields:
    """Takes the media out of a form's fields."""

    def __init__(self, staging: Staging, policy: EgressPolicy) -> None:
        self._staging = staging
        self._policy = policy

    async def take(self, model: Model, dialect: Dialect, form: Form, job_id: UUID) -> Media:
        """Remove all inputs from the form's fields and files, ready to be sealed.

        Raises InvalidRequest with the field's name; what was staged is in ``form.files`` and is the caller's to
        discard.
        """
        inputs: list[BodyInput] = []
        digests: dict[str, str] = {}
        for name, file in form.files:
            role = model.input_role(dialect, name)
            if role is None:
                raise InvalidRequest(
                    "This model takes no file in that field.",
                    code="unknown_parameter",
                    param=name if speakable(name) else None,
                )
            inputs.append(_of_file(role, model.inputs[role], name, file))
            digests[f"{name}/{len(digests)}"] = file.sha256
        for name in [name for name in form.fields if model.input_role(dialect, name) is not None]:
            role = model.input_role(dialect, name)
            assert role is not None
            values = form.fields.pop(name)
            for value in values if isinstance(values, list) else [values]:
                if len(inputs) >= FILES:
                    raise TooLarge(f"A request may have at most {FILES} media.")
                if value is None:
                    continue
                reference = _reference(value, name)
                if reference[:5].lower() == "data:":
                    file = await self._staging.stage(job_id, _decode(reference, name))
                    form.files.append((name, file))
                    inputs.append(_of_file(role, model.inputs[role], name, file))
                    digests[f"{name}/{len(digests)}"] = file.sha256
                elif model.inputs[role].by_bytes:
                    await self._judge(reference, name)
                    most, arriving = model.inputs[role].max_bytes, self._staging.begin(job_id)
                    file = await fetch(reference, name, arriving, self._policy, most)
                    form.files.append((name, file))
                    inputs.append(_of_file(role, model.inputs[role], name, file))
                    digests[f"{name}/{len(digests)}"] = file.sha256
                else:
                    await self._judge(reference, name)
                    inputs.append(BodyInput(role=role, url=reference))
                    digests[f"{name}/{len(digests)}"] = f"url:{reference}"
        return Media(tuple(inputs), digests)

    async def _judge(self, url: str, name: str) -> None:
        try:
            await check_url(url, self._policy)
        except EgressRefused as refused:
            raise InvalidRequest(f"{name}: {refused}.", code="invalid_image_url", param=name) from None


def _reference(value: Any, name: str) -> str:
    """The text of a URL or data URI, also in the object forms that OpenAI's clients use."""
    if isinstance(value, dict) and set(value) == {"image_url"}:
        value = value["image_url"]
    if isinstance(value, dict) and set(value) == {"url"}:
        value = value["url"]
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} must be a file, an https URL or a data URI.", param=name)
    return value


def _decode(uri: str, name: str) -> bytes:
    head, comma, encoded = uri.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise InvalidRequest(f"{name} must be a data URI in base64.", code="invalid_base64_image", param=name)
    if len(encoded) > FILE_BYTES * 4 // 3 + 4:
        raise TooLarge(f"A file may have at most {FILE_BYTES // 1_000_000} MB.")
    try:
        return pybase64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        message = f"{name} is not valid base64."
        raise InvalidRequest(message, code="invalid_base64_image", param=name) from None


def _of_file(role: str, known: Input, name: str, file: StagedFile) -> BodyInput:
    if known.by_url:
        raise InvalidRequest(f"{name} must be an https URL.", code="invalid_value", param=name)
    if file.bytes == 0:
        raise InvalidRequest(f"{name} is an empty file.", code="empty_image_file", param=name)
    if file.media_type not in known.media_types:
        allowed = ", ".join(known.media_types)
        raise InvalidRequest(f"{name} must be one of: {allowed}.", code="invalid_image_format", param=name)
    if file.bytes > known.max_bytes:
        raise InvalidRequest(f"{name} may have at most {known.max_bytes} bytes.", code="image_too_large", param=name)
    return BodyInput(role=role, key=file.key, file_key=file.file_key, media_type=file.media_type, bytes=file.bytes)
