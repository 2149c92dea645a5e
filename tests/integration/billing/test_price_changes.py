"""Nobody who was there before pays a raised price that they were not told of two weeks ahead (P9)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from billing.domain.pricing import BadChange, PriceChange
from billing.domain.quotes import Quote
from billing.repository.price_changes import Notice
from common.clock import now
from common.contracts import JobRejected, JobReserved
from common.ids import new_id
from support.ledger import PRICE, QUOTES, SKU, Ledger, Replica, a_job, stored

ANNOUNCED = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
EFFECTIVE = datetime(2027, 3, 20, tzinfo=UTC)
DAYS_14 = timedelta(days=14)
TICK = timedelta(microseconds=1)
BEFORE = ANNOUNCED - timedelta(days=100)
RAISED = 2 * PRICE


def announced(ledger: Ledger, price: int, *, at: datetime = ANNOUNCED, effective: datetime = EFFECTIVE) -> UUID:
    """A change as it stands in the book after it was announced at that moment."""
    change = new_id()
    with psycopg.connect(ledger.urls.admin_url) as admin:
        admin.execute("set search_path = billing")
        admin.execute("insert into price_changes values (%s, 'because', %s, %s)", (change, at, effective))
        admin.execute(
            "insert into prices (sku, unit_price_microusd, effective_at, change_id) values (%s, %s, %s, %s)",
            (SKU, price, effective, change),
        )
    return change


async def pays(ledger: Replica, account: UUID, moment: datetime, *, opened: datetime = BEFORE) -> int:
    (row,) = await ledger.database.fetch(
        "select unit_price_microusd from price_of(%(sku)s, %(account)s, %(opened)s, %(moment)s)",
        {"sku": SKU, "account": account, "opened": opened, "moment": moment},
    )
    price: int = row["unit_price_microusd"]
    return price


async def told(ledger: Replica, change: UUID, account: UUID, event: str, at: datetime) -> None:
    assert await ledger.price_changes.record(change, [Notice(account, event, at)])  # type: ignore[arg-type]


async def test_who_was_told_in_time_pays_from_the_date_on(ledger: Ledger) -> None:
    change, account = announced(ledger, RAISED), new_id()
    await told(ledger, change, account, "accepted", ANNOUNCED + timedelta(minutes=1))
    assert await pays(ledger, account, EFFECTIVE - TICK) == PRICE
    assert await pays(ledger, account, EFFECTIVE) == RAISED


async def test_who_was_told_late_pays_two_weeks_after_that_to_the_microsecond(ledger: Ledger) -> None:
    change, account = announced(ledger, RAISED), new_id()
    late = EFFECTIVE - timedelta(days=3)
    await told(ledger, change, account, "accepted", late)
    assert await pays(ledger, account, late + DAYS_14 - TICK) == PRICE
    assert await pays(ledger, account, late + DAYS_14) == RAISED


async def test_who_was_never_told_keeps_the_old_price(ledger: Ledger) -> None:
    announced(ledger, RAISED)
    assert await pays(ledger, new_id(), EFFECTIVE + timedelta(days=3_000)) == PRICE


async def test_a_mail_that_came_back_before_the_day_was_never_there(ledger: Ledger) -> None:
    change, account = announced(ledger, RAISED), new_id()
    await told(ledger, change, account, "accepted", ANNOUNCED)
    await told(ledger, change, account, "bounced", EFFECTIVE - TICK)
    assert await pays(ledger, account, EFFECTIVE + timedelta(days=300)) == PRICE


async def test_a_mail_that_came_back_afterwards_changes_nothing(ledger: Ledger) -> None:
    change, account = announced(ledger, RAISED), new_id()
    await told(ledger, change, account, "accepted", ANNOUNCED)
    await told(ledger, change, account, "bounced", EFFECTIVE)
    assert await pays(ledger, account, EFFECTIVE) == RAISED


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
async def test_a_mail_sent_again_counts_from_then_in_whatever_order_it_is_heard(
    ledger: Ledger, order: tuple[int, ...]
) -> None:
    change, account = announced(ledger, RAISED), new_id()
    again = EFFECTIVE + timedelta(days=1)
    news = [("accepted", ANNOUNCED), ("bounced", ANNOUNCED + timedelta(days=2)), ("accepted", again)]
    for place in (*order, *order):
        await told(ledger, change, account, *news[place])
    assert await pays(ledger, account, again + DAYS_14 - TICK) == PRICE
    assert await pays(ledger, account, again + DAYS_14) == RAISED


async def test_who_signs_up_after_the_announcement_pays_the_new_price_at_sign_up(ledger: Ledger) -> None:
    announced(ledger, RAISED)
    joined = ANNOUNCED + timedelta(hours=1)
    assert await pays(ledger, new_id(), joined, opened=joined) == RAISED
    assert await pays(ledger, new_id(), joined, opened=ANNOUNCED - TICK) == PRICE


async def test_a_decrease_is_everybodys_from_its_date_on(ledger: Ledger) -> None:
    raised = announced(ledger, RAISED)
    announced(ledger, PRICE + 1, at=EFFECTIVE, effective=EFFECTIVE + timedelta(days=1))
    told_of_it, never_told, newcomer = new_id(), new_id(), new_id()
    await told(ledger, raised, told_of_it, "accepted", ANNOUNCED)
    moment = EFFECTIVE + timedelta(days=1)
    assert await pays(ledger, told_of_it, moment - TICK) == RAISED
    assert await pays(ledger, told_of_it, moment) == PRICE + 1
    assert await pays(ledger, never_told, moment) == PRICE
    joined = ANNOUNCED + timedelta(days=1)
    assert await pays(ledger, newcomer, moment - TICK, opened=joined) == RAISED
    assert await pays(ledger, newcomer, moment, opened=joined) == PRICE + 1


async def test_of_two_raises_each_counts_when_it_was_told(ledger: Ledger) -> None:
    announced(ledger, RAISED)
    second = announced(ledger, 3 * PRICE, at=EFFECTIVE, effective=EFFECTIVE + DAYS_14)
    account = new_id()
    await told(ledger, second, account, "accepted", EFFECTIVE)
    assert await pays(ledger, account, EFFECTIVE + DAYS_14 - TICK) == PRICE
    assert await pays(ledger, account, EFFECTIVE + DAYS_14) == 3 * PRICE


async def test_two_weeks_have_336_hours_wherever_the_database_thinks_it_is(ledger: Ledger) -> None:
    """In New York the fortnight has a day of 23 hours."""
    change, account = announced(ledger, RAISED, effective=ANNOUNCED + DAYS_14), new_id()
    await told(ledger, change, account, "accepted", ANNOUNCED)
    with psycopg.connect(ledger.urls.service_url, options="-c timezone=America/New_York") as there:
        for moment, price in ((ANNOUNCED + DAYS_14 - TICK, PRICE), (ANNOUNCED + DAYS_14, RAISED)):
            row = there.execute(
                "select unit_price_microusd from billing.price_of(%s, %s, %s, %s)", (SKU, account, BEFORE, moment)
            ).fetchone()
            assert row == (price,)


async def test_a_mail_taken_before_there_was_anything_to_tell_is_a_wrong_clock(ledger: Ledger) -> None:
    change, account = announced(ledger, RAISED, effective=ANNOUNCED + DAYS_14), new_id()
    await told(ledger, change, account, "accepted", ANNOUNCED - timedelta(days=5))
    assert await pays(ledger, account, ANNOUNCED + DAYS_14 - TICK) == PRICE


async def test_holds_take_what_each_account_pays(ledger: Ledger) -> None:
    """A raise whose date has come: for one that was told, one that was not, and one that came after it."""
    long_ago = now() - timedelta(days=60)
    change = announced(ledger, RAISED, at=long_ago, effective=long_ago + DAYS_14)
    told_of_it, never_told, newcomer = [await ledger.account(microusd=10 * PRICE) for _ in range(3)]
    await told(ledger, change, told_of_it, "accepted", long_ago)
    opened = long_ago - timedelta(days=1)
    prices = []
    for account, opened_at in ((told_of_it, opened), (never_told, opened), (newcomer, now())):
        answer = await ledger.hold(a_job(account, account_opened_at=opened_at))
        assert isinstance(answer, JobReserved)
        prices.append(answer.price_microusd)
        shown = await ledger.prices.of(SKU, account, opened_at)
        assert shown is not None and shown["unit_price_microusd"] == answer.price_microusd
    assert prices == [RAISED, PRICE, RAISED]
    # Once told when it was opened, billing remembers.
    answer = await ledger.hold(a_job(never_told, account_opened_at=now()))
    assert isinstance(answer, JobReserved) and answer.price_microusd == PRICE


async def test_the_ends_of_a_job_that_straddles_a_change_agree(ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    job = a_job(account, account_opened_at=now() - timedelta(days=1))
    held = await ledger.hold(job)
    await ledger.price_changes.schedule(PriceChange(new_id(), {SKU: 1}, "cheaper"))
    assert await ledger.hold(job) == held
    later = await ledger.hold(a_job(account))
    assert isinstance(held, JobReserved) and isinstance(later, JobReserved)
    assert (held.price_microusd, later.price_microusd) == (PRICE, 1)
    assert held.price_version != later.price_version


async def quoted(
    ledger: Ledger, account: UUID, *, quantity: int = 1, lives: timedelta = timedelta(minutes=10)
) -> str:
    price = await ledger.prices.of(SKU, account, now())
    assert price is not None
    amount = price["unit_price_microusd"] * quantity
    return QUOTES.sign(Quote(account, SKU, quantity, price["price_version"], amount, now() + lives))


async def test_a_quote_is_paid_across_a_price_edge(ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    quote = await quoted(ledger, account)
    await ledger.price_changes.schedule(PriceChange(new_id(), {SKU: 1}, "cheaper"))
    with_quote = await ledger.hold(a_job(account, quote_id=quote))
    without = await ledger.hold(a_job(account))
    assert isinstance(with_quote, JobReserved) and isinstance(without, JobReserved)
    assert (with_quote.price_microusd, without.price_microusd) == (PRICE, 1)


async def test_a_quote_that_ran_out_still_says_what_is_the_most(ledger: Ledger) -> None:
    joined = now()
    account = await ledger.account(microusd=10 * PRICE)
    quote = await quoted(ledger, account, lives=timedelta(seconds=-1))
    same = await ledger.hold(a_job(account, quote_id=quote))
    assert isinstance(same, JobReserved) and same.price_microusd == PRICE
    long_ago = now() - timedelta(days=60)
    change = announced(ledger, RAISED, at=long_ago, effective=long_ago + DAYS_14)
    await told(ledger, change, account, "accepted", long_ago)
    dearer = await ledger.hold(a_job(account, quote_id=quote, account_opened_at=joined))
    assert isinstance(dearer, JobRejected) and dearer.error.code == "price_changed"


async def test_a_quote_is_for_one_account_and_one_request(ledger: Ledger) -> None:
    account, other = await ledger.account(microusd=10 * PRICE), await ledger.account(microusd=10 * PRICE)
    quote = await quoted(ledger, account)
    for job in (
        a_job(other, quote_id=quote),
        a_job(account, quantity=2, quote_id=quote),
        a_job(account, quote_id="x"),
    ):
        answer = await ledger.hold(job)
        assert isinstance(answer, JobRejected) and answer.error.code == "invalid_quote"
    assert await ledger.pots(account) == (0, 0, 10 * PRICE, 0)


async def test_nothing_above_the_maximum_is_held(ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    above = await ledger.hold(a_job(account, quantity=2, max_microusd=2 * PRICE - 1))
    assert isinstance(above, JobRejected) and above.error.code == "price_changed"
    assert isinstance(await ledger.hold(a_job(account, quantity=2, max_microusd=2 * PRICE)), JobReserved)
    assert await ledger.pots(account) == (0, 0, 8 * PRICE, 2 * PRICE)


async def test_scheduling_announces_once_and_refuses_what_comes_too_soon(ledger: Ledger) -> None:
    soon = PriceChange(new_id(), {SKU: RAISED}, "dearer", now() + DAYS_14 - timedelta(seconds=1))
    with pytest.raises(BadChange, match="earliest date"):
        await ledger.price_changes.schedule(soon)
    in_time = PriceChange(new_id(), {SKU: RAISED}, "dearer", now() + DAYS_14 + timedelta(seconds=5))
    row = await ledger.price_changes.schedule(in_time)
    assert await ledger.price_changes.schedule(in_time) == row
    (change,) = await ledger.price_changes.announced(now() - timedelta(minutes=1))
    assert change["unit_prices_microusd"] == {SKU: RAISED}
    (upcoming,) = await ledger.prices.upcoming()
    assert (upcoming["sku"], upcoming["effective_at"]) == (SKU, in_time.effective_at)
    with pytest.raises(BadChange, match="another moment"):
        await ledger.price_changes.schedule(PriceChange(new_id(), {SKU: 9}, "again", in_time.effective_at))


async def test_who_still_pays_the_old_price_is_listed_with_the_reason(ledger: Ledger) -> None:
    accounts = [await ledger.account(microusd=PRICE) for _ in range(4)]
    change = announced(ledger, RAISED, at=now() + timedelta(seconds=1), effective=now() + timedelta(days=15))
    never, bounced, late, waits = accounts
    await told(ledger, change, bounced, "accepted", now())
    await told(ledger, change, bounced, "bounced", now() + timedelta(days=1))
    await told(ledger, change, late, "accepted", now() + timedelta(days=3))
    await told(ledger, change, waits, "accepted", now())
    rows = await ledger.price_changes.on_old_price(change, after=UUID(int=0), limit=10)
    assert {row["account_id"]: row["reason"] for row in rows} == {
        never: "no_notice_accepted",
        bounced: "notice_bounced",
        late: "notice_accepted_late",
        waits: "date_not_come",
    }
    first = await ledger.price_changes.on_old_price(change, after=UUID(int=0), limit=1)
    rest = await ledger.price_changes.on_old_price(change, after=first[0]["account_id"], limit=10)
    assert len(rest) == 3


async def test_news_of_a_change_that_does_not_exist_is_refused(ledger: Ledger) -> None:
    assert not await ledger.price_changes.record(new_id(), [Notice(new_id(), "accepted", now())])


async def test_what_is_captured_is_what_was_held_whatever_the_price_is_by_then(ledger: Ledger) -> None:
    account = await ledger.account(microusd=10 * PRICE)
    job = a_job(account, quantity=2, outputs=2)
    await ledger.hold(job)
    await ledger.price_changes.schedule(PriceChange(new_id(), {SKU: 1}, "cheaper"))
    await ledger.settle.stored(stored(job, 1))
    row = await ledger.reservation(job.job_id)
    assert (row.charged_microusd, row.refunded_microusd) == (PRICE, PRICE)
