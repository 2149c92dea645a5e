"""How many posts a host gets at a time: a slow one takes its own places and nobody else's."""

from collections import Counter, OrderedDict

AILING_PLACES = 2
MAX_AILING = 1000


class Lanes:
    """Counts posts per host. A host that last gave no answer gets ``AILING_PLACES`` until it answers again."""

    def __init__(self, max_in_flight: int, max_per_host: int) -> None:
        self._max_in_flight = max_in_flight
        self.max_per_host = max_per_host
        self._posting: Counter[str] = Counter()
        self._ailing: OrderedDict[str, None] = OrderedDict()

    @property
    def room(self) -> int:
        """How many more posts may begin, over all hosts."""
        return self._max_in_flight - self._posting.total()

    def taken(self) -> dict[str, int]:
        """Places that are not free, by host; a host that is not named has all of them."""
        withheld = max(0, self.max_per_host - AILING_PLACES)
        hosts = {*self._posting, *self._ailing}
        return {host: self._posting[host] + (withheld if host in self._ailing else 0) for host in hosts}

    def full(self, host: str) -> bool:
        """Whether this host, or everything, has to wait."""
        places = min(AILING_PLACES, self.max_per_host) if host in self._ailing else self.max_per_host
        return self.room <= 0 or self._posting[host] >= places

    def enter(self, host: str) -> None:
        """A post to this host begins."""
        self._posting[host] += 1

    def leave(self, host: str) -> None:
        """It ended."""
        self._posting[host] -= 1
        if not self._posting[host]:
            del self._posting[host]

    def note(self, host: str, *, answered: bool) -> bool:
        """Remember how the host fares (the longest ailing is forgotten first); whether it has just recovered."""
        ailed = host in self._ailing
        self._ailing.pop(host, None)
        if not answered:
            self._ailing[host] = None
            if len(self._ailing) > MAX_AILING:
                self._ailing.popitem(last=False)
        return ailed and answered
