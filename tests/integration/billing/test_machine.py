"""The ledger against a model of a few lines: any order of operations, replays and batches, same balances."""

import asyncio
import os
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from billing.domain.postings import Credit
from billing.repository.moves import Move
from common.contracts import JobSubmitted
from support.ledger import PRICE, Ledger, a_job, a_ledger, cancel, failed, overdue, stored
from support.postgres import Postgres

RUNS, STEPS = (1_000, 50) if os.environ.get("PROOF") == "prove" else (150, 30)
POTS = ("subscription", "granted", "purchased")


@dataclass
class Model:
    """What the ledger should say: pots per account, and per job what was taken from which pot."""

    pots: dict[UUID, dict[str, int]] = field(default_factory=dict)
    taken: dict[UUID, dict[str, int]] = field(default_factory=dict)
    state: dict[UUID, str] = field(default_factory=dict)
    owed: dict[UUID, int] = field(default_factory=dict)

    def take_back(self, move: Move) -> None:
        pots = self.pots[move.account_id]
        taken = min(pots[move.pot], move.amount_microusd)
        pots[move.pot] -= taken
        self.owed[move.account_id] += move.amount_microusd - taken

    def give_back(self, move: Move) -> None:
        paid = min(self.owed[move.account_id], move.amount_microusd)
        self.owed[move.account_id] -= paid
        self.pots[move.account_id][move.pot] += move.amount_microusd - paid

    def hold(self, job: JobSubmitted) -> None:
        if job.job_id in self.state:
            return
        pots, price = self.pots[job.account_id], job.quantity * PRICE
        if price > sum(pots.values()):
            self.state[job.job_id] = "refused"
            return
        taken = {}
        for pot in POTS:
            taken[pot] = min(price, pots[pot])
            pots[pot] -= taken[pot]
            price -= taken[pot]
        self.taken[job.job_id], self.state[job.job_id] = taken, "held"

    def settle(self, job: JobSubmitted, delivered: int) -> None:
        if self.state.get(job.job_id) != "held":
            return
        release = PRICE * job.quantity // job.outputs * (job.outputs - min(delivered, job.outputs))
        for pot in reversed(POTS):
            back = min(release, self.taken[job.job_id][pot])
            self.pots[job.account_id][pot] += back
            release -= back
        self.state[job.job_id] = "captured" if delivered else "refunded"

    def bury(self, job: JobSubmitted) -> None:
        self.state.setdefault(job.job_id, "refused")

    def held(self, account: UUID, jobs: list[JobSubmitted]) -> int:
        return sum(
            sum(self.taken[job.job_id].values())
            for job in jobs
            if job.account_id == account and self.state[job.job_id] == "held"
        )


def machine(runner: asyncio.Runner, ledger: Ledger) -> type[RuleBasedStateMachine]:
    """The state machine over one database; every run has accounts of its own."""

    class LedgerMachine(RuleBasedStateMachine):
        jobs = Bundle("jobs")

        @initialize(subscription=st.integers(0, 3 * PRICE), granted=st.integers(0, 3 * PRICE))
        def open_accounts(self, subscription: int, granted: int) -> None:
            self.model, self.all_jobs, self.operations = Model(), [], []
            self.paid: list[Move] = []
            self.taken_back: dict[str, Move] = {}
            self.given_back: set[str] = set()
            for _ in range(2):
                account = runner.run(ledger.account(subscription=subscription, granted=granted, microusd=PRICE))
                self.model.pots[account] = dict(zip(POTS, (subscription, granted, PRICE), strict=True))
                self.model.owed[account] = 0
            self.accounts = list(self.model.pots)

        @rule(which=st.integers(0, 1), amount=st.integers(1, 4 * PRICE))
        def purchase(self, which: int, amount: int) -> None:
            account = self.accounts[which]
            credit = Credit(f"credit:{account}:{len(self.operations)}", account, amount, "machine")
            self.operations.append(credit)
            _, new = runner.run(ledger.accounts.credit(credit))
            assert new
            self.model.pots[account]["purchased"] += amount

        @rule(pick=st.integers(0, 100))
        def purchase_again(self, pick: int) -> None:
            if self.operations:
                _, new = runner.run(ledger.accounts.credit(self.operations[pick % len(self.operations)]))
                assert not new

        @rule(which=st.integers(0, 1), amount=st.integers(1, 4 * PRICE), plan=st.booleans())
        def pay_by_card(self, which: int, amount: int, plan: bool) -> None:
            account, number = self.accounts[which], len(self.paid)
            event, pot = ("subscription", "subscription") if plan else ("purchase", "purchased")
            move = Move(f"stripe:pi_{account}_{number}", event, account, pot, amount, "machine")
            assert runner.run(ledger.moves.add(move))
            self.paid.append(move)
            self.model.pots[account][pot] += amount

        @rule(which=st.integers(0, 1), amount=st.integers(1, PRICE))
        def grant(self, which: int, amount: int) -> None:
            account = self.accounts[which]
            move = Move(f"grant:{account}:{len(self.paid)}", "grant", account, "granted", amount, "machine")
            if runner.run(ledger.moves.add(move)):
                self.model.pots[account]["granted"] += amount
            assert not runner.run(ledger.moves.add(move))

        @rule(pick=st.integers(0, 100), share=st.sampled_from([1, 2, 3]))
        def refund_or_dispute(self, pick: int, share: int) -> None:
            """Once per payment; whatever comes again moves nothing."""
            if not self.paid:
                return
            payment = self.paid[pick % len(self.paid)]
            operation = payment.operation.replace("pi_", "re_")
            amount = max(1, payment.amount_microusd // share)
            move = replace(payment, operation=operation, event="card_refund", amount_microusd=amount)
            move = self.taken_back.get(operation, move)
            new = runner.run(ledger.moves.take_back(move))
            assert new == (operation not in self.taken_back)
            if new:
                self.taken_back[operation] = move
                self.model.take_back(move)
            again = runner.run(ledger.moves.add(payment))
            assert not again

        @rule(pick=st.integers(0, 100))
        def dispute_won(self, pick: int) -> None:
            if not self.taken_back:
                return
            lost = list(self.taken_back.values())[pick % len(self.taken_back)]
            move = replace(lost, operation=f"{lost.operation}:won", event="dispute_won")
            new = runner.run(ledger.moves.give_back(move))
            assert new == (move.operation not in self.given_back)
            if new:
                self.given_back.add(move.operation)
                self.model.give_back(move)

        @rule(
            target=jobs,
            shapes=st.lists(
                st.tuples(st.integers(0, 1), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=6
            ),
        )
        def hold_a_batch(self, shapes: list[tuple[int, int, int]]):
            jobs = [
                a_job(self.accounts[which], quantity=units * outputs, outputs=outputs)
                for which, units, outputs in shapes
            ]
            self.all_jobs.extend(jobs)
            runner.run(_all(ledger.hold(job) for job in jobs))
            for job in jobs:
                self.model.hold(job)
            return multiple(*jobs)

        @rule(job=jobs)
        def hold_again(self, job: JobSubmitted) -> None:
            runner.run(_all([ledger.hold(job), ledger.hold(job)]))
            self.model.hold(job)

        @rule(job=jobs, delivered=st.integers(0, 3))
        def deliver(self, job: JobSubmitted, delivered: int) -> None:
            if self.model.state[job.job_id] != "refused" or delivered:
                runner.run(ledger.settle.stored(stored(job, delivered)))
            self.model.settle(job, delivered)

        @rule(job=consumes(jobs))
        def fail(self, job: JobSubmitted) -> None:
            runner.run(ledger.settle.failed(failed(job)))
            self.model.settle(job, 0)

        @rule(job=jobs)
        def give_up(self, job: JobSubmitted) -> None:
            runner.run(ledger.control.cancel(cancel(job)))
            self.model.settle(job, 0)

        @rule(job=jobs)
        def ask(self, job: JobSubmitted) -> None:
            runner.run(ledger.control.overdue(overdue(job)))

        @rule(target=jobs, which=st.integers(0, 1))
        def give_up_before_it_came(self, which: int) -> JobSubmitted:
            job = a_job(self.accounts[which])
            self.all_jobs.append(job)
            runner.run(ledger.control.cancel(cancel(job)))
            self.model.bury(job)
            return job

        @invariant()
        def balances_are_those_of_the_model(self) -> None:
            for account, pots in getattr(self, "model", Model()).pots.items():
                expected = (*pots.values(), self.model.held(account, self.all_jobs))
                assert runner.run(ledger.pots(account)) == expected
                assert runner.run(ledger.owed(account)) == self.model.owed[account]

        def teardown(self) -> None:
            found = runner.run(ledger.reservations.read([job.job_id for job in getattr(self, "all_jobs", [])]))
            assert {job_id: row.state for job_id, row in found.items()} == self.model.state

    return LedgerMachine


async def _all(calls) -> None:
    await asyncio.gather(*calls)


@pytest.mark.timeout(1_800)
def test_the_ledger_is_its_model(postgres: Postgres) -> None:
    with asyncio.Runner() as runner:
        entered = a_ledger(postgres.fresh_database("billing"))
        ledger = runner.run(entered.__aenter__())
        try:
            run_state_machine_as_test(
                machine(runner, ledger),
                settings=settings(
                    max_examples=RUNS,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            runner.run(ledger.assert_sound())
        finally:
            runner.run(entered.__aexit__(None, None, None))
