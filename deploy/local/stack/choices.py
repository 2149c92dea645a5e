"""What whoever typed `make up` chose through the environment; everything else is private to the stack."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.errors import CannotSetUp
from stack.state import SERVICES, State, read_client_file

_UPSTREAM = re.compile(r"UPSTREAM_([A-Z]+)_(BASE_URL|API_KEY|MEDIA_ORIGINS)")
_LOOPBACK = "127.0.0.0/8"
_DATABASE_URLS = ("DATABASE_URL", *(f"{service.upper()}_DATABASE_URL" for service in SERVICES))
_DATABASE_SCHEME = re.compile(r"\A(postgres|postgresql)(\+\w+)?://")


@dataclass(frozen=True, slots=True)
class Choices:
    """Addresses to use in place of the private parts, and knobs of the services."""

    database_url: str | None = None
    amqp_url: str | None = None
    s3: Mapping[str, str] = field(default_factory=dict)
    """``S3_*`` variables as given; the private store runs only if no endpoint is among them."""
    upstreams: Mapping[str, str] = field(default_factory=dict)
    """``UPSTREAM_*`` variables as given; if there are any, only their providers are routes."""
    stripe: Mapping[str, str] = field(default_factory=dict)
    """``STRIPE_*`` variables as given; the simulator runs only if no key is among them."""
    egress_allow_cidrs: str = _LOOPBACK
    knobs: Mapping[str, str] = field(default_factory=dict)
    """Everything else that services may read."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Choices":
        """A variable set to nothing is one not set, but for the allow-list: there it means "nowhere".

        Raises:
            CannotSetUp: a value that no part of the stack could use.
        """
        environment = _without_own(environment)
        given = {name: value for name, value in environment.items() if value}
        for name in _DATABASE_URLS:
            if name not in given:
                continue
            if "DATABASE_URL" in given:
                given[name] = _postgresql_url(name, given[name])
            else:  # in the private database the logins are made by the stack itself
                del given[name]
        _check_networks(environment.get("EGRESS_ALLOW_CIDRS", ""))
        return cls(
            database_url=given.get("DATABASE_URL"),
            amqp_url=given.get("AMQP_URL"),
            s3={name: value for name, value in given.items() if name.startswith("S3_")},
            upstreams={name: value for name, value in given.items() if _UPSTREAM.fullmatch(name)},
            stripe={name: value for name, value in given.items() if name.startswith("STRIPE_")},
            egress_allow_cidrs=environment.get("EGRESS_ALLOW_CIDRS", _LOOPBACK),
            knobs={name: value for name, value in given.items() if _is_knob(name)},
        )

    def addresses(self) -> list[str]:
        """The names of the variables that say where something is."""
        named = {"DATABASE_URL": self.database_url, "AMQP_URL": self.amqp_url, **self.s3, **self.upstreams}
        named |= self.stripe
        return [name for name, value in named.items() if value] + [n for n in _DATABASE_URLS if n in self.knobs]

    def fingerprint(self) -> str:
        """Tells whether two environments chose the same, without keeping what they chose."""
        chosen = [self.database_url, self.amqp_url, sorted(self.s3.items()), sorted(self.upstreams.items())]
        chosen += [sorted(self.stripe.items()), self.egress_allow_cidrs, sorted(self.knobs.items())]
        return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()

    def upstreams_in_use(self, simulated: Mapping[str, str]) -> dict[str, str]:
        """The variables of all routes: those given, completed by the simulators' where a part is missing.

        The simulators' media host is completed only for their own address: it is private, and an upstream elsewhere
        must not be able to have us fetch from it.
        """
        chosen = {match[1] for name in self.upstreams if (match := _UPSTREAM.fullmatch(name))}
        if not chosen:
            return dict(simulated)
        completed = {name: value for name, value in simulated.items() if name.split("_")[1] in chosen}
        in_use = completed | dict(self.upstreams)
        for provider in chosen:
            base, origins = f"UPSTREAM_{provider}_BASE_URL", f"UPSTREAM_{provider}_MEDIA_ORIGINS"
            if origins not in self.upstreams and in_use.get(base) != simulated.get(base):
                in_use.pop(origins, None)
        return in_use


_KNOBS = ("OUTPUT_TTL_S", "CRASH_AT", "LOG_LEVEL", "TRACE_FILE", "TRACE_RATIO", "OTEL_EXPORTER_OTLP_ENDPOINT")
_KNOB_PREFIXES = ("GATEWAY_", "BILLING_", "DISPATCHER_", "STORAGE_", "NOTIFIER_", "TRACE_", "SIM_")


def _is_knob(name: str) -> bool:
    return name in _KNOBS or name.startswith(_KNOB_PREFIXES)


def _without_own(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment less what came from a stack's `env` file and was made by that stack.

    Whoever exports the whole file chooses nothing by it. What the file says was chosen stays chosen.
    """
    folder = environment.get("REAPI_STATE")
    if not folder:
        return environment
    file = read_client_file(State(Path(folder)).env)
    chosen = file.get("REAPI_CHOSEN", "").split(",")
    return {name: value for name, value in environment.items() if name in chosen or file.get(name) != value}


def _postgresql_url(name: str, given: str) -> str:
    """The one spelling that all parts understand: libraries differ in what else they take."""
    # Loaded here, for most stacks have a database of their own.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    url = _DATABASE_SCHEME.sub("postgresql://", given, count=1)
    try:
        usable = url.startswith("postgresql://") and int(conninfo_to_dict(url).get("port") or 0) >= 0
    except (ProgrammingError, ValueError):
        usable = False
    if not usable:  # without the reason: it quotes parts of the address, and the password may be among them
        raise CannotSetUp(
            f"{name} is not the address of a PostgreSQL. Write postgresql://user:password@host:port/database, "
            "with special characters of the password percent-encoded."
        )
    return url


def _check_networks(cidrs: str) -> None:
    if not cidrs:
        return
    # Loaded here, for it brings a whole HTTP client.
    from common.egress import EgressPolicy

    try:
        EgressPolicy.parse(cidrs)
    except ValueError as reason:
        raise CannotSetUp(f"EGRESS_ALLOW_CIDRS: {reason}. Write networks, such as 10.0.0.0/8,fd00::/8.") from None
