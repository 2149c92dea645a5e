"""``GET /docs``: the API on one page, drawn on the server from the OpenAPI document. No script, no other host."""

from html import escape
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "public, max-age=300",
}

STYLE = """
:root{--ink:#1a1d21;--soft:#5b636d;--line:#e2e5e9;--page:#fff;--card:#f7f8f9;--accent:#0b5fd0;--radius:6px;
--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ad;--line:#2b3036;--page:#131518;--card:#1a1d21;
--accent:#7db3ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:52rem;margin:0 auto;padding:48px 16px}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 8px}
h2{font-size:1.125rem;margin:48px 0 12px;border-top:1px solid var(--line);padding-top:24px}
p{margin:0 0 12px;color:var(--soft)}
a{color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
pre{background:var(--card);border:1px solid var(--line);border-radius:var(--radius);padding:12px 16px;overflow-x:auto;
font:13px/1.6 var(--mono)}
code{font:.875em var(--mono)}
details{border:1px solid var(--line);border-radius:var(--radius);margin:0 0 8px}
summary{padding:10px 16px;min-height:44px;cursor:pointer}
summary b{display:inline-block;min-width:3.5rem;font:600 13px var(--mono);color:var(--accent)}
summary span{color:var(--soft)}
.in{padding:4px 16px 16px}
table{width:100%;border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:6px 12px 6px 0;border-bottom:1px solid var(--line)}
th{font-weight:600}
"""


class Docs:
    """The document and the page, rendered once at start."""

    def __init__(self, document: dict[str, Any], public_url: str) -> None:
        self._document = orjson.dumps(document)
        self._page = _page(document, public_url).encode()

    async def openapi(self, _: Request) -> Response:
        """The machine's copy."""
        return Response(self._document, media_type="application/json")

    async def page(self, _: Request) -> Response:
        """The reader's copy."""
        return Response(self._page, media_type="text/html; charset=utf-8", headers=HEADERS)


def _page(document: dict[str, Any], public_url: str) -> str:
    schemas = document["components"]["schemas"]
    calls = "".join(
        _call(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    models = "".join(
        _model(variant, family)
        for name, family in (("OpenaiImageRequest", "/v1/images/generations"), ("OpenaiVideoRequest", "/v1/videos"))
        for variant in schemas[name]["oneOf"]
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>reAPI reference</title><style>{STYLE}</style></head><body><main>
<h1>reAPI</h1>
<p>{escape(document["info"]["description"])}</p>
<pre>{escape(_example(public_url))}</pre>
<p>The same in a form for machines: <a href="/openapi.json">openapi.json</a>.</p>
<h2>Calls</h2>{calls}
<h2>Models</h2>{models}
<h2>Errors</h2><p>Every error is <code>{{"error": {{"message", "type", "param", "code"}}, "request_id"}}</code>.
A 5xx means that nothing is charged.</p>
</main></body></html>"""


def _example(public_url: str) -> str:
    return (
        f"curl {public_url}/v1/images/generations \\\n"
        "  -H 'Authorization: Bearer rk_live_...' -H 'Content-Type: application/json' \\\n"
        '  -d \'{"model": "gpt-image-2", "prompt": "a lighthouse at dawn"}\''
    )


def _call(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
        for one in operation.get("parameters", ())
    )
    table = f"<table><tr><th>Parameter</th><th>In</th><th></th></tr>{parameters}</table>" if parameters else ""
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(one['description'])}</td></tr>"
        for status, one in sorted(operation["responses"].items())
    )
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> "
        f"<span>{escape(operation['summary'])}</span></summary><div class=in>{table}"
        f"<table><tr><th>Status</th><th></th></tr>{answers}</table></div></details>"
    )


def _model(variant: dict[str, Any], path: str) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{' *' if name in variant['required'] else ''}</td>"
        f"<td>{escape(_kind(schema))}</td><td>{escape(_says(schema))}</td></tr>"
        for name, schema in variant["properties"].items()
        if name != "model"
    )
    return (
        f"<details><summary><code>{escape(variant['title'])}</code> <span>POST {escape(path)}</span></summary>"
        f"<div class=in><table><tr><th>Field</th><th>Value</th><th></th></tr>{rows}</table></div></details>"
    )


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema.get('maximum', '')}"
    return str(schema.get("type", ""))


def _says(schema: dict[str, Any]) -> str:
    default = f"Default {schema['default']}." if "default" in schema else ""
    parts = [schema.get("title", ""), schema.get("description", ""), default]
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)
