"""From command-line options to stand-ins ready to serve."""

import socket
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from simulators import media, receiver
from simulators.control import Simulator
from simulators.dials import Setting
from simulators.links import Links
from simulators.providers import PROVIDERS


def build(name: str, options: Mapping[str, Any]) -> Simulator:
    """One stand-in, its dials' start as the options say."""
    wishes = {key: options[key] for key in ("delay_ms", "render_ms", "url_ttl_s") if key in options}
    start, links, api_key = Setting(**wishes), Links(options.get("media_url") or ""), options.get("api_key")
    if name in PROVIDERS:
        return PROVIDERS[name].make(links, start, api_key)
    match name:
        case "media":
            return media.build(links, start)
        case "receiver":
            return receiver.build(start)
        case "stripe":
            from simulators import stripe

            webhook = options.get("webhook_url"), options.get("webhook_secret")
            return stripe.build(
                options.get("base_url") or "",
                start,
                api_key,
                data=options.get("data"),
                webhook=webhook if all(webhook) else None,  # type: ignore[arg-type]
            )
    raise ValueError(name)


def url_of(listening: socket.socket, host: str) -> str:
    """Where a stand-in is reached from this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{listening.getsockname()[1]}"


def announce(sockets: Mapping[str, socket.socket], host: str) -> None:
    """One line of JSON on standard output: name to base URL."""
    paths = {name: provider.path for name, provider in PROVIDERS.items()}
    urls = {name: url_of(listening, host) + paths.get(name, "") for name, listening in sockets.items()}
    sys.stdout.write(orjson.dumps(urls).decode() + "\n")
    sys.stdout.flush()
