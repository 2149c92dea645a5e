"""S3's XML, written and read."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from simulators.s3.errors import malformed_xml

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

Fields = Iterable[tuple[str, "str | int | bool | Fields"]]


def iso(time_s: float) -> str:
    """A time as S3's documents write it."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(time_s * 1000) % 1000:03d}Z"


@lru_cache(maxsize=128)
def http_date(time_s: int) -> str:
    """A time as HTTP headers write it."""
    return formatdate(time_s, usegmt=True)


def _render(fields: Fields, out: list[str]) -> None:
    for name, value in fields:
        out.append(f"<{name}>")
        if isinstance(value, bool):
            out.append("true" if value else "false")
        elif isinstance(value, str | int):
            out.append(escape(str(value)))
        else:
            _render(value, out)
        out.append(f"</{name}>")


def document(root: str, fields: Fields) -> bytes:
    """A document in S3's namespace; fields are pairs of a name and a text or further pairs."""
    out = [f'{_DECLARATION}<{root} xmlns="{NAMESPACE}">']
    _render(fields, out)
    out.append(f"</{root}>")
    return "".join(out).encode()


def error_document(code: str, message: str, resource: str, request_id: str) -> bytes:
    """An error, which S3 writes without a namespace."""
    out = [f"{_DECLARATION}<Error>"]
    _render([("Code", code), ("Message", message), ("Resource", resource), ("RequestId", request_id)], out)
    out.append("</Error>")
    return "".join(out).encode()


def parse(body: bytes, root: str) -> ET.Element:
    """Read a document whose root is `root`, with namespaces taken off; raises MalformedXML."""
    if b"<!" in body:
        raise malformed_xml()  # no entities, no document types: nothing S3 takes has them
    try:
        tree = ET.fromstring(body)  # noqa: S314 - declarations were refused above, so there is nothing to expand
    except ET.ParseError:
        raise malformed_xml() from None
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    if tree.tag != root:
        raise malformed_xml()
    return tree
