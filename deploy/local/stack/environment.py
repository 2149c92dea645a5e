"""The environment of every service, and the file that tells clients and tests where everything is."""

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from stack.choices import Choices
from stack.credentials import Credentials
from stack.state import SERVICES, State, read_json, write_atomically

MACHINE = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_USES_OBJECTS = ("gateway", "dispatcher", "storage")
_SPECIAL_TO_A_SHELL = re.compile(r"[\s'\"\\$`&|;<>()#]")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a stack are, ours or others'."""

    database_url: str
    amqp_url: str
    s3: Mapping[str, str]
    upstreams: Mapping[str, str]
    stripe: Mapping[str, str]
    simulators: Mapping[str, str]
    """``SIM_*_URL`` of the stand-ins' dials."""
    services: Mapping[str, str]
    """Base URL of each service."""


def machine() -> dict[str, str]:
    """What of the caller's environment any program of ours may see."""
    return {name: os.environ[name] for name in MACHINE if name in os.environ}


def service_database_urls(addresses: Addresses, choices: Choices, credentials: Credentials) -> dict[str, str]:
    """The database as each service's own login."""
    passwords = credentials.role_passwords(choices.database_url)
    urls = {}
    for service in SERVICES:
        name = f"{service.upper()}_DATABASE_URL"
        urls[name] = choices.knobs.get(name) or with_login(
            addresses.database_url, f"reapi_{service}", passwords[service]
        )
    return urls


def with_login(url: str, user: str, password: str) -> str:
    """The same server and database for another login."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def of_service(
    service: str, state: State, addresses: Addresses, choices: Choices, credentials: Credentials
) -> dict[str, str]:
    """What one service is given, and no more: provider keys reach the dispatcher alone, for instance."""
    prefix = f"{service.upper()}_"
    origins = {name: value for name, value in addresses.upstreams.items() if not name.endswith("_API_KEY")}
    port = urlsplit(addresses.services[service]).port
    env = {
        **machine(),
        "AMQP_URL": addresses.amqp_url,
        "INTERNAL_TOKEN": credentials["INTERNAL_TOKEN"],
        "EGRESS_ALLOW_CIDRS": choices.egress_allow_cidrs,
        "TRACE_FILE": str(state.traces / f"{service}.jsonl"),
        f"{prefix}HOST": "127.0.0.1",
        f"{prefix}PORT": str(port),
        **(addresses.upstreams if service == "dispatcher" else origins),
        **(addresses.s3 if service in _USES_OBJECTS else {}),
        **(addresses.stripe if service == "billing" else {}),
        **_own(service, state, addresses, credentials),
    }
    env[f"{prefix}DATABASE_URL"] = service_database_urls(addresses, choices, credentials)[f"{prefix}DATABASE_URL"]
    return env | _knobs_of(service, choices)


def _own(service: str, state: State, addresses: Addresses, credentials: Credentials) -> dict[str, str]:
    if service == "gateway":
        public = addresses.services["gateway"]
        return {
            "GATEWAY_PUBLIC_URL": public,
            "GATEWAY_MEDIA_URL": public,
            "GATEWAY_BILLING_URL": addresses.services["billing"],
            "GATEWAY_SEALING_KEYS_FILE": str(state.keys / "public.json"),
            "GATEWAY_PROVIDERS": ",".join(_providers(addresses.upstreams)),
            **{
                name: credentials[name]
                for name in ("GATEWAY_KEY_PEPPER", "GATEWAY_BODY_HASH_KEY", "GATEWAY_MEDIA_SIGNING_KEY")
            },
        }
    if service == "dispatcher":
        return {"DISPATCHER_SEALING_KEYS_FILE": str(state.keys / "private.json")}
    if service == "notifier":
        return {"NOTIFIER_SECRETS_KEY": credentials["NOTIFIER_SECRETS_KEY"]}
    return {}


def _providers(upstreams: Mapping[str, str]) -> list[str]:
    """Names of the providers that the dispatcher has a key for."""
    keys = (name for name, value in upstreams.items() if name.endswith("_API_KEY") and value)
    return sorted(name.removeprefix("UPSTREAM_").removesuffix("_API_KEY").lower() for name in keys)


def _knobs_of(service: str, choices: Choices) -> dict[str, str]:
    """The caller's knobs, less those that bear another service's name."""
    others = tuple(f"{other.upper()}_" for other in SERVICES if other != service)
    return {name: value for name, value in choices.knobs.items() if not name.startswith((*others, "SIM_"))}


def write_client_file(
    state: State,
    addresses: Addresses,
    database_urls: Mapping[str, str],
    pids: Mapping[str, int],
    chosen: Iterable[str] = (),
) -> None:
    """Rewrite `env`: one KEY=VALUE a line, the whole file at once.

    ``REAPI_STATE`` and ``REAPI_CHOSEN`` tell a later `make up`, in a shell that exported the file, which of the
    addresses it finds there somebody chose (see ``choices``).
    """
    gateway = addresses.services["gateway"]
    demo = read_json(state.demo)
    lines = {
        "REAPI_STATE": str(state.root),
        "REAPI_CHOSEN": ",".join(chosen),
        "REAPI_BASE_URL": f"{gateway}/v1",
        "REAPI_NATIVE_URL": f"{gateway}/api/v1",
        "REAPI_API_KEY": demo.get("api_key", ""),
        "REAPI_WEBHOOK_SECRET": demo.get("webhook_secret", ""),
        "REAPI_ACCOUNT_ID": demo.get("account_id", ""),
        "REAPI_CONSOLE_URL": f"{gateway}/docs",
        "DATABASE_URL": addresses.database_url,
        "AMQP_URL": addresses.amqp_url,
        **database_urls,
        **{f"{service.upper()}_URL": url for service, url in addresses.services.items()},
        **addresses.s3,
        **addresses.upstreams,
        **addresses.stripe,
        "REAPI_STRIPE_WEBHOOK_URL": f"{addresses.services['billing']}/stripe/webhook",
        **addresses.simulators,
        **{f"PID_{name.upper()}": str(pid) for name, pid in sorted(pids.items())},
    }
    write_atomically(state.env, "".join(f"{name}={_for_a_shell(value)}\n" for name, value in lines.items()))


def _for_a_shell(value: str) -> str:
    """Quoted only where a shell would read something else: not every reader of the file is one."""
    return shlex.quote(value) if _SPECIAL_TO_A_SHELL.search(value) else value


def save_service_environment(state: State, service: str, env: Mapping[str, str]) -> None:
    """Keep what a service was given, for its operator commands and for whoever starts it by hand."""
    write_atomically(state.service_environments / f"{service}.json", json.dumps(dict(env), indent=1))
