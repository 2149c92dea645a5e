"""What whoever typed `make up` chose through the environment; everything else is private to the stack."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PROVIDERS = ("openai", "ark", "fal")
_UPSTREAM = re.compile(r"UPSTREAM_([A-Z]+)_(BASE_URL|API_KEY|MEDIA_ORIGINS)")
_LOOPBACK = "127.0.0.0/8"


@dataclass(frozen=True, slots=True)
class Choices:
    """Addresses to use in place of the private parts, and knobs of the services."""

    database_url: str | None = None
    amqp_url: str | None = None
    s3: Mapping[str, str] = field(default_factory=dict)
    """``S3_*`` variables as given; the private store runs only if no endpoint is among them."""
    upstreams: Mapping[str, str] = field(default_factory=dict)
    """``UPSTREAM_*`` variables as given; if there are any, only their providers are routes."""
    egress_allow_cidrs: str = _LOOPBACK
    knobs: Mapping[str, str] = field(default_factory=dict)
    """Everything else that services may read."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Choices":
        """A variable set to nothing is one not set, but for the allow-list: there it means "nowhere"."""
        given = {name: value for name, value in environment.items() if value}
        return cls(
            database_url=given.get("DATABASE_URL"),
            amqp_url=given.get("AMQP_URL"),
            s3={name: value for name, value in given.items() if name.startswith("S3_")},
            upstreams={name: value for name, value in given.items() if _UPSTREAM.fullmatch(name)},
            egress_allow_cidrs=environment.get("EGRESS_ALLOW_CIDRS", _LOOPBACK),
            knobs={name: value for name, value in given.items() if _is_knob(name)},
        )

    def fingerprint(self) -> str:
        """Tells whether two environments chose the same, without keeping what they chose."""
        chosen = [self.database_url, self.amqp_url, sorted(self.s3.items()), sorted(self.upstreams.items())]
        chosen += [self.egress_allow_cidrs, sorted(self.knobs.items())]
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
