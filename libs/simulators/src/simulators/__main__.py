"""The command line: `python -m simulators NAME`."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from simulators.providers import PROVIDERS, Provider

DIALS_HELP = """
\b
Dials, while it runs:
  PUT  /__dials   {"scenario": "500", "times": 3}; what is left out returns to the start
  GET  /__dials   the position, and the scenarios this stand-in knows, each explained
  GET  /__calls   the journal: counts, and the last 20,000 calls (?operation= ?prompt= ?after= ?limit=)
  POST /__reset   dials, journal and state as after the start
  GET  /healthz
\b
Fields: scenario, on, times, for_ms, fail_ratio, seed, delay_ms, delay_spread_ms, render_ms, queue_ms,
slow_ms, retry_after_s, url_ttl_s, oversized_bytes, drip_bytes_per_s; the receiver also status, location, path.
A prompt that begins with "[simulate:500] " asks for a scenario for itself alone.
Options may come from the environment: SIM_PROVIDERS_RENDER_MS is --render-ms of `providers`.
The journal names a prompt by the first 16 hex digits of its SHA-256 and keeps no text.
"""

# Every option may come from the environment too: SIM_PROVIDERS_RENDER_MS, SIM_OPENAI_DELAY_MS.
TOGETHER = (*PROVIDERS, "media", "receiver")

Command = Callable[..., None]


def _listening(command: Command, name: str = "") -> Command:
    """Options that say where to listen; with a name, of one stand-in among several."""
    prefix, of = (f"--{name}-", f"{name}: ") if name else ("--", "")
    command = click.option(f"{prefix}fd", type=int, help=f"{of}inherited socket to listen on, in place of a port.")(
        command
    )
    return click.option(f"{prefix}port", type=int, default=0, show_default="any free one", help=f"{of}port.")(command)


def _listening_each(command: Command) -> Command:
    for name in reversed(TOGETHER):
        command = _listening(command, name)
    return command


class Dialled(click.Command):
    """A command whose help lists the scenarios its stand-in knows."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Scenarios, then how to turn the dials."""
        name = str(self.name)
        known = PROVIDERS.get(name)
        scenarios = known.scenarios if known else import_module(f"simulators.{name}").SCENARIOS
        with formatter.section("Scenarios"):
            formatter.write_dl(list(scenarios.items()))
        super().format_epilog(ctx, formatter)


_host = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
_url_ttl = click.option(
    "--url-ttl-s", type=float, default=86_400, show_default=True, help="How long output links live."
)
_media_url = click.option("--media-url", default="", help="Base URL of the media host; without it, this program.")
_api_key = click.option("--api-key", help="The only right key; without it, any key is.")
_delay = click.option("--delay-ms", type=int, default=0, show_default=True, help="Waited before every answer.")


def _rendering(default_ms: int) -> Callable[[Command], Command]:
    return click.option(
        "--render-ms", type=int, default=default_ms, show_default=True, help="From acceptance to the result."
    )


@click.group(epilog=DIALS_HELP)
def main() -> None:
    """Stand-ins for the outside world: true to its protocols, with dials."""


def _provider(name: str, provider: Provider) -> None:
    """The command of one provider's stand-in."""

    def serve(**options: Any) -> None:
        _serve(name, options)

    command: Any = serve
    for option in (_url_ttl, _rendering(provider.render_ms), _delay, _api_key, _media_url, _listening, _host):
        command = option(command)
    main.command(name, cls=Dialled, help=provider.about, epilog=DIALS_HELP)(command)


for _name, _known in PROVIDERS.items():
    _provider(_name, _known)


@main.command("media", cls=Dialled, epilog=DIALS_HELP)
@_host
@_listening
@_delay
def media(**options: Any) -> None:
    """The media host: makes the bytes of any link that any stand-in has signed."""
    _serve("media", options)


@main.command("receiver", cls=Dialled, epilog=DIALS_HELP)
@_host
@_listening
@_delay
def receiver(**options: Any) -> None:
    """A receiver of webhooks at any path; GET /__deliveries shows what came. A dial may be for one `path`."""
    _serve("receiver", options)


@main.command("stripe", cls=Dialled, epilog=DIALS_HELP)
@_host
@_listening
@_api_key
@_delay
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps everything over restarts; without it, memory.",
)
@click.option("--base-url", help="Where browsers reach the pages; without it, where the first call came to.")
@click.option("--webhook-url", help="A first endpoint, sent every event.")
@click.option("--webhook-secret", help="Its secret (whsec_...).")
def stripe(**options: Any) -> None:
    r"""Stripe's API and pages: Checkout, portal, receipts. A client's base address is this program's URL.

    \b
    Test cards (any later date, any CVC):
      4242424242424242  is paid              4000000000000002  is declined
      4000000000009995  lacks funds          4000000000000069  has expired
      4000002760003184  asks for 3-D Secure  4000000000000341  fails when charged later
      4000000000000259  is paid and then disputed
    A PUT of the dials may also set duplicates, shuffle_ms, forge, tax_percent and dunning_ends.
    POST /v1/test_helpers/charges/ID/dispute and /v1/test_helpers/disputes/ID/decide (won=true) play the bank.
    GET /__busy tells how many webhook deliveries are still to be made.
    """
    if bool(options["webhook_url"]) != bool(options["webhook_secret"]):
        raise click.UsageError("--webhook-url and --webhook-secret go together")
    _serve("stripe", options)


@main.command("providers", epilog=DIALS_HELP)
@_host
@_listening_each
@click.option("--media-url", default="", help="Base URL of the media host; without it, the one in this process.")
@_api_key
@_rendering(2_000)
@_url_ttl
def providers(**options: Any) -> None:
    """All providers, the media host and the receiver in one process, each on a port of its own.

    Prints one line of JSON with their URLs. Behind every port, /__on/NAME/__dials and so on reach the controls of
    each of them, so that a stand-in that refuses connections can be opened again. --render-ms is for those that take
    a task.
    """
    _serve_all(options)


@main.command("s3", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def s3(arguments: tuple[str, ...]) -> None:
    """An S3 endpoint that enforces signatures, expiry, conditional writes and lifecycle."""
    command: click.Command = import_module("simulators.s3").command
    command.main(list(arguments), prog_name="python -m simulators s3")


def _serve(name: str, options: dict[str, Any]) -> None:
    from simulators.serving import bind, run
    from simulators.starting import announce, build

    listening = bind(options["host"], options["port"], options["fd"])
    announce({name: listening}, options["host"])
    run([(build(name, options), listening)])


def _serve_all(options: dict[str, Any]) -> None:
    from simulators.serving import bind, run
    from simulators.starting import announce, build, url_of

    host = options["host"]
    sockets = {name: bind(host, options[f"{name}_port"], options[f"{name}_fd"]) for name in TOGETHER}
    options = {"delay_ms": 0, **options, "media_url": options["media_url"] or url_of(sockets["media"], host)}
    announce(sockets, host)
    # A provider that answers when it is done would only be slowed down by a time to render.
    at_once = {name for name, provider in PROVIDERS.items() if not provider.render_ms}
    placed = [
        (build(name, {**options, "render_ms": 0} if name in at_once else options), sockets[name]) for name in TOGETHER
    ]
    run(placed)


if __name__ == "__main__":
    main(prog_name="python -m simulators", auto_envvar_prefix="SIM")
