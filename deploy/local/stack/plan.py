"""Which parts of a stack are ours, where each is, and the program that runs it."""

import sys
from urllib.parse import urlsplit

from simulators.providers import PROVIDERS
from stack import environment, postgres, probes, rabbitmq
from stack.choices import Choices
from stack.credentials import Credentials
from stack.environment import Addresses
from stack.ports import Ports, port_of
from stack.program import Program
from stack.state import SERVICES, State

_SIMULATED = (*PROVIDERS, "media", "receiver")
DATABASE = "reapi"


class Plan:
    """Everything decided before the first program starts."""

    def __init__(self, state: State, choices: Choices, ports: Ports) -> None:
        self._state = state
        self._choices = choices
        self._credentials = Credentials.of(state)
        self._ports: dict[str, int] = {}
        self._sockets: dict[str, int] = {}
        if choices.database_url is None:
            self._ports["postgres"] = ports.reserve("postgres")
        if choices.amqp_url is None:
            for name in ("amqp", "erlang", "epmd"):
                self._ports[name] = ports.reserve(name)
        listening = [*SERVICES, *_SIMULATED] + (["s3"] if self.own_objects else [])
        listening += ["stripe"] if self.own_stripe else []
        for name in listening:
            held = ports.listen(name)
            self._sockets[name] = held.fileno()
            self._ports[name] = port_of(held)
        self.addresses = self._addresses()
        self.database_urls = environment.service_database_urls(self.addresses, choices, self._credentials)

    @property
    def own_database(self) -> bool:
        """Whether the database is private to this stack."""
        return self._choices.database_url is None

    @property
    def own_broker(self) -> bool:
        """Whether the broker is."""
        return self._choices.amqp_url is None

    @property
    def own_objects(self) -> bool:
        """Whether the object store is."""
        return "S3_ENDPOINT_URL" not in self._choices.s3

    @property
    def own_stripe(self) -> bool:
        """Whether payments go to Stripe's stand-in."""
        return "STRIPE_API_KEY" not in self._choices.stripe

    def postgres(self) -> Program:
        """Blocks while the data folder is made, the first time."""
        return postgres.program(self._state, self._ports["postgres"], self._credentials["postgres"])

    def maintenance_url(self) -> str:
        """The administrator's address of the database every server has."""
        return postgres.url(self._ports["postgres"], self._credentials["postgres"]) + "/postgres"

    def broker(self) -> tuple[Program, Program]:
        """Blocks while the packages are fetched, the first time."""
        ports = (self._ports["amqp"], self._ports["erlang"], self._ports["epmd"])
        return rabbitmq.programs(
            self._state, ports, self._credentials["rabbitmq"], self._credentials["erlang_cookie"]
        )

    def objects(self) -> Program:
        """The private S3 endpoint."""
        s3 = self.addresses.s3
        return Program(
            name="s3",
            argv=(
                *(sys.executable, "-m", "simulators.s3", "--fd", str(self._sockets["s3"])),
                *("--data", str(self._state.objects), "--region", s3["S3_REGION"], "--region", "us-east-1"),
                *("--bucket", s3["S3_BUCKET"], "--bucket", s3["S3_STAGING_BUCKET"]),
            ),
            env={**environment.machine(), **s3, **self._simulator_knobs()},
            log=self._state.logs / "s3.log",
            ready=lambda: probes.http(self._url("s3") + "/healthz"),
            fds=(self._sockets["s3"],),
        )

    def simulators(self) -> Program:
        """The providers' stand-ins, their media host and a receiver of webhooks."""
        sockets = tuple(self._sockets[name] for name in _SIMULATED)
        named = zip(_SIMULATED, sockets, strict=True)
        return Program(
            name="simulators",
            argv=(
                *(sys.executable, "-m", "simulators", "providers"),
                *(part for name, fd in named for part in (f"--{name}-fd", str(fd))),
            ),
            env={**environment.machine(), **self._simulator_knobs()},
            log=self._state.logs / "simulators.log",
            ready=lambda: probes.http(self._url("receiver"), any_status=True),
            fds=sockets,
        )

    def stripe(self) -> Program:
        """Stripe's stand-in, which tells billing of everything."""
        stripe, billing = self.addresses.stripe, self.addresses.services["billing"]
        return Program(
            name="stripe",
            argv=(
                *(sys.executable, "-m", "simulators", "stripe", "--fd", str(self._sockets["stripe"])),
                *("--base-url", self._url("stripe"), "--data", str(self._state.root / "stripe.db")),
                *("--webhook-url", f"{billing}/stripe/webhook"),
            ),
            env={
                **environment.machine(),
                "SIM_STRIPE_API_KEY": stripe["STRIPE_API_KEY"],
                "SIM_STRIPE_WEBHOOK_SECRET": stripe["STRIPE_WEBHOOK_SECRET"],
                **self._simulator_knobs(),
            },
            log=self._state.logs / "stripe.log",
            ready=lambda: probes.http(self._url("stripe") + "/healthz"),
            fds=(self._sockets["stripe"],),
        )

    def service(self, name: str) -> Program:
        """One of the five."""
        env = self.service_environment(name)
        fd = self._sockets[name]
        return Program(
            name=name,
            argv=(sys.executable, "-m", name, "serve", "--fd", str(fd)),
            env=env,
            log=self._state.logs / f"{name}.log",
            ready=lambda: probes.http(f"{self._url(name)}/readyz"),
            fds=(fd,),
        )

    def service_environment(self, name: str) -> dict[str, str]:
        """What one service is given."""
        return environment.of_service(name, self._state, self.addresses, self._choices, self._credentials)

    def migration_environment(self) -> dict[str, str]:
        """What only migrations are given: the administrator's database, and every service's login."""
        return {**environment.machine(), "DATABASE_URL": self.addresses.database_url, **self.database_urls}

    def broker_address(self) -> tuple[str, int]:
        """Host and port of the broker in use."""
        parts = urlsplit(self.addresses.amqp_url)
        return parts.hostname or "127.0.0.1", parts.port or 5672

    def _simulator_knobs(self) -> dict[str, str]:
        return {name: value for name, value in self._choices.knobs.items() if name.startswith("SIM_")}

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _addresses(self) -> Addresses:
        simulated = {}
        for name, provider in PROVIDERS.items():
            prefix = f"UPSTREAM_{name.upper()}_"
            simulated[f"{prefix}BASE_URL"] = self._url(name) + provider.path
            simulated[f"{prefix}API_KEY"] = f"local-{name}-key"
            simulated[f"{prefix}MEDIA_ORIGINS"] = self._url("media")
        s3 = {
            "S3_ENDPOINT_URL": self._url("s3") if self.own_objects else "",
            "S3_BUCKET": "reapi-outputs",
            "S3_STAGING_BUCKET": "reapi-staging",
            "S3_ACCESS_KEY_ID": "reapi-local",
            "S3_SECRET_ACCESS_KEY": self._credentials["s3_secret"],
            "S3_REGION": "auto",
        }
        own_database = (
            f"{postgres.url(self._ports['postgres'], self._credentials['postgres'])}/{DATABASE}"
            if self.own_database
            else ""
        )
        own_broker = rabbitmq.url(self._ports["amqp"], self._credentials["rabbitmq"]) if self.own_broker else ""
        return Addresses(
            database_url=self._choices.database_url or own_database,
            amqp_url=self._choices.amqp_url or own_broker,
            s3=s3 | dict(self._choices.s3),
            upstreams=self._choices.upstreams_in_use(simulated),
            stripe=self._stripe(),
            simulators={f"SIM_{name.upper()}_URL": self._url(name) for name in _SIMULATED},
            services={service: self._url(service) for service in SERVICES},
        )

    def _stripe(self) -> dict[str, str]:
        if not self.own_stripe:
            return dict(self._choices.stripe)
        return {
            "STRIPE_API_BASE": self._url("stripe"),
            "STRIPE_API_KEY": "sk_test_local",
            "STRIPE_WEBHOOK_SECRET": f"whsec_{self._credentials['stripe_webhook']}",
        }
