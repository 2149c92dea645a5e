"""The command line of the S3 endpoint."""

import gc
import logging
import socket
import sqlite3
from pathlib import Path

import click


def _listener(host: str, port: int, fd: int | None) -> socket.socket:
    if fd is not None:
        return socket.socket(fileno=fd)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    return listener


@click.command("s3")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of all objects."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9000, show_default=True, help="0 takes a free one.")
@click.option("--fd", type=int, default=None, help="A listening socket handed down, instead of host and port.")
@click.option("--access-key", envvar="S3_ACCESS_KEY_ID", required=True)
@click.option("--secret-key", envvar="S3_SECRET_ACCESS_KEY", required=True)
@click.option("--bucket", "bucket_names", multiple=True, help="Created at start unless it is there; repeatable.")
@click.option(
    "--region",
    "regions",
    multiple=True,
    default=("auto", "us-east-1"),
    show_default=True,
    help="Regions that signatures may name; repeatable.",
)
@click.option("--lifecycle-interval-s", default=300.0, show_default=True, type=click.FloatRange(min=0.05))
@click.option(
    "--fsync/--no-fsync", default=False, show_default=True, help="Survive a loss of power, not only a kill."
)
def command(
    *,
    data: Path,
    host: str,
    port: int,
    fd: int | None,
    access_key: str,
    secret_key: str,
    bucket_names: tuple[str, ...],
    regions: tuple[str, ...],
    lifecycle_interval_s: float,
    fsync: bool,
) -> None:
    """An S3 endpoint that enforces signatures, expiry, conditional writes and lifecycle rules.

    Dials, on loopback: PUT /__clock {"offset_s", "signing_offset_s"}, PUT /__dials {"scenario": ok|503|403|hang|slow,
    "delay_ms", "times", "methods"}, GET /__stats. GET /healthz answers without a signature.
    """
    import uvicorn

    from simulators.s3.app import Endpoint
    from simulators.s3.buckets import require_bucket_name
    from simulators.s3.errors import S3Error
    from simulators.s3.shelf import Shelf
    from simulators.s3.signature import Verifier
    from simulators.s3.store import Store
    from simulators.s3.uploads import Uploads

    logging.basicConfig(level=logging.WARNING)
    listener = _listener(host, port, fd)
    try:
        store = Store(data, fsync=fsync)
    except sqlite3.OperationalError as error:
        raise click.ClickException(f"{data} cannot be opened, or another endpoint works on it: {error}") from error
    store.sweep_orphans()
    for name in bucket_names:
        try:
            require_bucket_name(name)
        except S3Error as error:
            raise click.BadParameter(f"{name!r} cannot be a bucket's name", param_hint="--bucket") from error
        store.create_bucket(name)
    verifier = Verifier({access_key: secret_key}, frozenset(regions))
    endpoint = Endpoint(Shelf(store, Uploads(store)), verifier, lifecycle_interval_s)
    config = uvicorn.Config(
        endpoint,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    if fd is None:
        click.echo(f"S3 on http://{host}:{listener.getsockname()[1]}")
    gc.freeze()
    uvicorn.Server(config).run(sockets=[listener])
