"""Credits and micro-dollars: 1 credit = 1,000 micro-dollars = $0.001. Integers inside, numbers at the edge."""

from decimal import Decimal

MICROUSD_PER_CREDIT = 1_000
MAX_MICROUSD = 10**12


def to_credits(microusd: int) -> int | float:
    """Credits as a JSON number with at most three decimals.

    Exact: below 10^12 micro-dollars a double prints back the same three decimals.
    """
    whole, rest = divmod(microusd, MICROUSD_PER_CREDIT)
    return whole if rest == 0 else microusd / MICROUSD_PER_CREDIT


def from_credits(text: str) -> int:
    """Micro-dollars of an amount of credits written in decimals.

    Raises:
        ValueError: not a number, negative, too large, or finer than a thousandth of a credit.
    """
    try:
        microusd = Decimal(text) * MICROUSD_PER_CREDIT
    except ArithmeticError:  # not a number, or one beyond all exponents
        raise ValueError(f"{text!r} is not an amount of credits; write a decimal number such as 12.5") from None
    if not microusd.is_finite() or microusd != microusd.to_integral_value():
        raise ValueError(f"{text} credits is finer than a thousandth of a credit, the smallest amount kept")
    if not 0 <= microusd <= MAX_MICROUSD:
        raise ValueError(f"{text} credits is outside 0 to {MAX_MICROUSD // MICROUSD_PER_CREDIT:,}")
    return int(microusd)
