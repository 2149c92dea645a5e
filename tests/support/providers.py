"""The stand-ins of the providers in this process, with dials and journals in reach."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simulators.control import Simulator
from simulators.dials import Setting
from simulators.journal import fingerprint
from simulators.providers import PROVIDERS
from simulators.serving import Stand, bind


class Providers:
    """All providers, each of which can be told to fail."""

    def __init__(self, simulators: dict[str, Simulator], ports: dict[str, int]) -> None:
        self._simulators = simulators
        self._ports = ports

    def environ(self, *only: str, **other: str) -> dict[str, str]:
        """The settings under which a dispatcher finds them, or only those named."""
        found = dict(other)
        for name in only or tuple(self._simulators):
            found[f"UPSTREAM_{name.upper()}_BASE_URL"] = f"http://127.0.0.1:{self._ports[name]}{PROVIDERS[name].path}"
            found[f"UPSTREAM_{name.upper()}_API_KEY"] = "key-of-the-tests"
        return found

    def origin(self, name: str) -> str:
        """Where a provider is."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def dial(self, name: str, scenario: str = "ok", **fields: Any) -> None:
        """Turn one provider's dials."""
        self._simulators[name].dials.turn({"scenario": scenario, **fields})

    def scenarios(self, name: str) -> list[str]:
        """All that one provider's dials can do."""
        return list(self._simulators[name].dials.scenarios)

    def calls(self, name: str, prompt: str | None = None, operation: str | None = "submit") -> list[dict[str, Any]]:
        """What reached one provider."""
        named = fingerprint(prompt) if prompt else None
        return list(self._simulators[name].journal.find(operation=operation, prompt=named))

    def reset(self) -> None:
        """All as after the start."""
        for simulator in self._simulators.values():
            simulator.dials.reset()
            simulator.journal.reset()
            simulator.forget()


@asynccontextmanager
async def running_providers() -> AsyncIterator[Providers]:
    """All of them on free ports; they make their outputs in no time."""
    start = Setting(render_ms=0)
    simulators = {name: provider.make(start=start) for name, provider in PROVIDERS.items()}
    sockets = {name: bind("127.0.0.1", 0) for name in simulators}
    stand = Stand.of([(simulator, sockets[name]) for name, simulator in simulators.items()])
    ports = {name: listening.getsockname()[1] for name, listening in sockets.items()}
    await stand.open()
    try:
        yield Providers(simulators, ports)
    finally:
        await stand.close()
