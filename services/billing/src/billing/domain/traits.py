"""By what somebody who signs up again for free credits is recognised: address, network, card."""

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

_NETWORK_BITS = {4: 24, 6: 48}
_DOTLESS = ("gmail.com", "googlemail.com")


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of somebody who signs up; the more, the harder it is to come twice."""

    email: str
    ip: str | None = None
    card_fingerprint: str | None = None

    def traits(self) -> list[str]:
        """Each in one spelling. Raises ValueError for an address that is none."""
        found = [f"email:{_mailbox(self.email)}"]
        if self.ip is not None:
            address = ip_address(self.ip)
            network = ip_network(f"{address}/{_NETWORK_BITS[address.version]}", strict=False)
            found.append(f"network:{network}")
        if self.card_fingerprint is not None:
            found.append(f"card:{self.card_fingerprint}")
        return found

    def hashed(self, secret: str) -> list[bytes]:
        """The traits as they are kept."""
        key = hmac.new(secret.encode(), b"reapi starting credits", hashlib.sha256).digest()
        return [hmac.new(key, trait.encode(), hashlib.sha256).digest() for trait in self.traits()]


def _mailbox(email: str) -> str:
    """The mailbox that a mail to this address ends in, whatever tag or dots it is written with."""
    local, at, domain = email.strip().lower().rpartition("@")
    if not local or not at or "." not in domain:
        raise ValueError(f"{email!r} is not an e-mail address")
    local = local.partition("+")[0]
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), _DOTLESS[0]
    return f"{local}@{domain}"
