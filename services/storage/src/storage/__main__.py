"""Storage's commands."""

import click

from common import migrations


@click.group(help="Storage: makes every output ours, for a stated time.")
def main() -> None:
    """Entry point."""


@main.command(help="Serve until SIGTERM.")
@click.option("--fd", type=int, default=None, help="A listening socket inherited from a supervisor.")
def serve(fd: int | None) -> None:
    """Run the service."""
    from common.service import serve, setup_telemetry
    from storage.app import make_app
    from storage.settings import Settings

    settings = Settings()
    setup_telemetry("storage", settings)
    serve(make_app(settings), settings, fd=fd)


@main.command(help="Bring the schema up to date (needs DATABASE_URL).")
def migrate() -> None:
    """Apply migrations."""
    migrations.run("storage")


@main.command(help="Make both buckets and their lifecycle rules, if the credentials may.")
def buckets() -> None:
    """Prepare the object store."""
    import asyncio

    from common.messaging import CannotReach
    from common.objects import ObjectError, ObjectStore
    from storage.buckets import prepare
    from storage.settings import Settings

    settings = Settings()

    async def run() -> None:
        objects = ObjectStore(settings)
        await objects.start()
        try:
            await prepare(objects, settings.output_ttl_s)
        finally:
            await objects.stop()

    try:
        asyncio.run(run())
    except CannotReach as error:
        raise click.ClickException(f"the object store does not answer ({error}); see S3_ENDPOINT_URL") from None
    except ObjectError as error:
        click.echo(f"Left as they are: {error}. Make {settings.s3_bucket} and {settings.s3_staging_bucket} yourself.")


if __name__ == "__main__":
    main()
