"""``python -m common.catalogue``: what is sold, for how much, and what each route leaves of it."""

import click

from common.catalogue.base import DIALECTS
from common.catalogue.checks import check, excuses, margins
from common.catalogue.loader import load
from common.catalogue.model import Model


@click.command()
@click.argument("names", nargs=-1)
def show(names: tuple[str, ...]) -> None:
    """Print the models (all, or those named) and prove them; exit status 1 when a proof fails."""
    catalogue = load()
    failed = False
    for model in catalogue.models:
        if names and not {model.id, *model.aliases} & set(names):
            continue
        _describe(model)
        complaints = check(model)
        for complaint in complaints:
            click.echo(f"  WRONG  {complaint}")
        failed = failed or bool(complaints)
    if failed:
        raise SystemExit(1)


def _describe(model: Model) -> None:
    click.echo(f"{model.id}  ({model.kind}, {', '.join(model.aliases) or 'no alias'})")
    for dialect in DIALECTS:
        fields = model.parameters_schema(dialect)["properties"]
        click.echo(f"  {dialect:<6} {', '.join(fields)}")
    click.echo(f"  modes  {'; '.join(f'{name}: {mode.wants}' for name, mode in model.modes.items())}")
    click.echo(f"  routes {', '.join(route.provider for route in model.routes)}")
    width = max(28, *(len(sku) + 2 for sku in model.seed_prices))
    click.echo(f"\n  {'SKU':<{width}}{'credits/' + model.price.unit:>16}{'route':>10}{'cost':>10}{'margin':>10}")
    for margin in margins(model):
        # Floats only here, where people read.
        price, cost = margin.price_microusd / 1000, margin.cost_microusd / 1000
        percent = 100 * margin.left_microusd / margin.price_microusd
        note = "  admitted loss" if margin.admitted else ""
        click.echo(f"  {margin.sku:<{width}}{price:>16.1f}{margin.provider:>10}{cost:>10.1f}{percent:>9.1f}%{note}")
    for route in model.routes:
        if route.loss is not None:
            click.echo(f"\n  loss on {route.provider}: {route.loss.because}")
    found = excuses(model)
    click.echo("\n  fewer than two routes:" + ("" if found else " never"))
    for because, times in found.items():
        click.echo(f"    {times} combinations: {because}")
    click.echo()


if __name__ == "__main__":
    show()
