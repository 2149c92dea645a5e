"""Free starting credits, once per person as far as persons can be told apart, and so many a day."""

from typing import Literal
from uuid import UUID

from billing.repository.moves import Move, Moves
from common.database import Database

Outcome = Literal["granted", "repeated", "known", "too_many_today", "off"]

# One at a time: the day's count and the traits must still hold when they are written.
_ALONE = "select pg_advisory_xact_lock(hashtext('billing.starting_credits'))"
_TODAY = """
select count(distinct account_id) as n from starting_traits
where granted_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC'
"""
_SEEN = "select account_id from starting_traits where trait = any(%(traits)s::bytea[])"
_KEEP = """
insert into starting_traits (trait, account_id)
select trait, %(account_id)s from unnest(%(traits)s::bytea[]) as t (trait)
"""


class StartingCredits:
    """Grants them."""

    def __init__(self, database: Database, microusd: int, a_day: int) -> None:
        self._database = database
        self._moves = Moves(database)
        self._microusd = microusd
        self._a_day = a_day

    async def grant(self, account_id: UUID, traits: list[bytes]) -> Outcome:
        """Grant them to a new account, unless somebody with one of these traits had them or the day is full.

        A call that was cut short is finished by the next one for the same account.
        """
        if not self._microusd:
            return "off"
        outcome = await self._keep(account_id, traits)
        if outcome in ("granted", "repeated"):
            move = Move(
                f"grant:start:{account_id}", "grant", account_id, "granted", self._microusd, "starting credits"
            )
            await self._moves.add(move)
        return outcome

    async def _keep(self, account_id: UUID, traits: list[bytes]) -> Outcome:
        async with self._database.transaction() as transaction:
            await transaction.execute(_ALONE)
            seen = {row["account_id"] for row in await transaction.fetch(_SEEN, {"traits": traits})}
            if seen:
                return "repeated" if seen == {account_id} else "known"
            if (await transaction.fetch(_TODAY))[0]["n"] >= self._a_day:
                return "too_many_today"
            await transaction.execute(_KEEP, {"account_id": account_id, "traits": traits})
            return "granted"
