"""Multipart forms as a stream: text parts into memory within bounds, files straight into sealed storage.

Starlette's own form reader spools files to a disk, in plain; this one never does.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from gateway.api.reading.arriving import pieces
from gateway.api.reading.forms import unflatten
from gateway.api.reading.limits import (
    FILES,
    MIB,
    MULTIPART_BYTES,
    NAME_CHARS,
    PARTS,
    TEXT_PARTS_BYTES,
    announced_length,
)
from gateway.api.reading.staging import StagedFile, Staging, StagingFile
from gateway.errors import InvalidRequest, TooLarge

_PART_HEADERS = 16
_PART_HEADER_BYTES = 8 * 1024


@dataclass(slots=True)
class Form:
    """A form that was read to its end: fields as a JSON client would send them, files by the name of their field."""

    fields: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[str, StagedFile]] = field(default_factory=list)


async def read_multipart(request: Request, staging: Staging, job_id: UUID) -> Form:
    """Read a whole form.

    Raises:
        TooLarge, InvalidRequest, RequestTimedOut, Unavailable: what was staged until then is discarded.
    """
    announced_length(request.scope, MULTIPART_BYTES)
    reader = _Reader(_boundary(request), staging, job_id)
    size = 0
    try:
        async for piece in pieces(request):
            size += len(piece)
            _bound(size)
            if piece:
                await reader.feed(piece)
        return reader.form()
    except BaseException:
        await reader.give_up()
        raise


def _bound(size: int) -> None:
    if size > MULTIPART_BYTES:
        raise TooLarge(f"A multipart body may have at most {MULTIPART_BYTES // MIB} MiB.")


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise InvalidRequest("The multipart body has no boundary in its content type.", code="invalid_multipart")
    return boundary


@dataclass(slots=True)
class _Part:
    """One part on its way in: a text in memory or a file on its way to storage."""

    name: str
    file: StagingFile | None
    text: bytearray = field(default_factory=bytearray)


class _Reader:
    """Turns the parser's synchronous callbacks into awaited work, piece by piece."""

    def __init__(self, boundary: bytes, staging: Staging, job_id: UUID) -> None:
        self._staging = staging
        self._job_id = job_id
        self._events: list[tuple[str, bytes]] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: self._events.append(("begin", b"")),
                "on_header_field": lambda data, start, end: self._events.append(("field", data[start:end])),
                "on_header_value": lambda data, start, end: self._events.append(("value", data[start:end])),
                "on_header_end": lambda: self._events.append(("header", b"")),
                "on_headers_finished": lambda: self._events.append(("headers", b"")),
                "on_part_data": lambda data, start, end: self._events.append(("data", data[start:end])),
                "on_part_end": lambda: self._events.append(("end", b"")),
                "on_end": lambda: self._events.append(("finish", b"")),
            },
            max_header_count=_PART_HEADERS,
            max_header_size=_PART_HEADER_BYTES,
        )
        self._headers: dict[str, bytes] = {}
        self._field = b""
        self._value = b""
        self._part: _Part | None = None
        self._parts = 0
        self._text_bytes = 0
        self._finished = False
        self._texts: list[tuple[str, str]] = []
        self._files: list[tuple[str, StagedFile]] = []

    async def feed(self, piece: bytes) -> None:
        """The next bytes of the body."""
        try:
            self._parser.write(piece)
        except (FormParserError, ValueError):
            raise _malformed() from None
        events, self._events = self._events, []
        # The lambdas above look the list up anew each time, so replacing it is safe.
        for kind, data in events:
            await self._handle(kind, data)

    def form(self) -> Form:
        """Everything, once the last boundary has come. Raises InvalidRequest before that."""
        if not self._finished:
            raise _malformed()
        return Form(unflatten(self._texts), self._files)

    async def give_up(self) -> None:
        """Leave nothing behind."""
        if self._part is not None and self._part.file is not None:
            await self._part.file.give_up()
        self._staging.discard([file for _, file in self._files])

    async def _handle(self, kind: str, data: bytes) -> None:
        if kind == "data":
            await self._take(data)
        elif kind == "begin":
            self._parts += 1
            if self._parts > PARTS:
                raise TooLarge(f"A form may have at most {PARTS} parts.")
            self._headers = {}
        elif kind == "field":
            self._field += data
        elif kind == "value":
            self._value += data
        elif kind == "header":
            self._headers[self._field.decode("latin-1").lower()] = self._value
            self._field = self._value = b""
        elif kind == "headers":
            self._part = self._begin()
        elif kind == "end":
            await self._end()
        elif kind == "finish":
            self._finished = True

    def _begin(self) -> _Part:
        disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name", b"")
        if disposition != b"form-data" or not 1 <= len(name) <= NAME_CHARS:
            raise _malformed()
        try:
            text_name = name.decode("utf-8")
        except UnicodeDecodeError:
            raise _malformed() from None
        if b"filename" not in options:
            return _Part(text_name, None)
        if len(self._files) >= FILES:
            raise TooLarge(f"A request may have at most {FILES} files.")
        return _Part(text_name, self._staging.begin(self._job_id))

    async def _take(self, data: bytes) -> None:
        assert self._part is not None, "the parser gives headers before data"
        if self._part.file is not None:
            await self._part.file.write(data)
            return
        self._text_bytes += len(data)
        if self._text_bytes > TEXT_PARTS_BYTES:
            raise TooLarge(f"The text parts of a form may have at most {TEXT_PARTS_BYTES // MIB} MiB together.")
        self._part.text += data

    async def _end(self) -> None:
        part = self._part
        if part is None:
            raise _malformed()
        if part.file is not None:
            self._files.append((part.name.removesuffix("[]"), await part.file.finish()))
        else:
            try:
                self._texts.append((part.name, part.text.decode("utf-8")))
            except UnicodeDecodeError:
                raise InvalidRequest("A form field is not valid UTF-8.", code="invalid_multipart") from None
        self._part = None


def _malformed() -> InvalidRequest:
    return InvalidRequest("The multipart body cannot be read or is incomplete.", code="invalid_multipart")
