"""``python -m common.sealing rotate DIRECTORY``: make the next key, destroy the oldest."""

from pathlib import Path

import click

from common import clock
from common.sealing.epochs import rotate as rotate_keys


@click.group()
def main() -> None:
    """Keys that seal request bodies."""


@main.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def rotate(directory: Path) -> None:
    """Make a key ahead of time and destroy those older than three days. Run it at least once a day."""
    now = clock.now()
    for epoch in rotate_keys(directory, now):
        state = "in use or kept" if epoch.not_before <= now else "ahead"
        click.echo(f"{epoch.name}  from {epoch.not_before.isoformat(timespec='seconds')}  {state}")


if __name__ == "__main__":
    main()
