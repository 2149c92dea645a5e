"""What the customer says of other routes than the preferred one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fallback:
    """Whether a further route may be tried, and which parameters (canonical names) it need not be able to carry."""

    enabled: bool = True
    lossy: tuple[str, ...] = ()
