"""What the operator has decided about routes: drained, forced, or nothing."""

from common.database import Database
from dispatcher.routing.overrides import Override

_READ = "select provider, model, action from route_decisions"
_DECIDE = """
insert into route_decisions (provider, model, action, reason) values (%(provider)s, %(model)s, %(action)s, %(reason)s)
on conflict (provider, model) do update set action = excluded.action, reason = excluded.reason,
    decided_at = clock_timestamp()
"""
_FORGET = "delete from route_decisions where provider = %(provider)s and model = %(model)s"
_LIST = "select provider, model, action, reason, decided_at from route_decisions order by provider, model"


class Decisions:
    """Read by every dispatcher once a second, written by the command line."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> list[Override]:
        """All that are in force."""
        return [Override(**row) for row in await self._database.fetch(_READ)]

    async def decide(self, override: Override, reason: str) -> None:
        """Put one into force, in place of an earlier one."""
        params = {"provider": override.provider, "model": override.model, "action": override.action}
        await self._database.execute(_DECIDE, {**params, "reason": reason})

    async def forget(self, provider: str, model: str) -> bool:
        """Leave a route to its health again; False when nothing had been decided."""
        return bool(await self._database.execute(_FORGET, {"provider": provider, "model": model}))

    async def list(self) -> list[dict[str, object]]:
        """All that are in force, with their reasons."""
        return [dict(row) for row in await self._database.fetch(_LIST)]
