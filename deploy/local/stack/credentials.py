"""The stack's secrets: drawn once, kept in a file only its owner may read."""

import hashlib
import hmac
import json
import secrets

from stack.state import SERVICES, State, read_json, write_atomically

_HEX_32_BYTES = (
    "GATEWAY_KEY_PEPPER",
    "GATEWAY_BODY_HASH_KEY",
    "GATEWAY_MEDIA_SIGNING_KEY",
    "NOTIFIER_SECRETS_KEY",
    "INTERNAL_TOKEN",
    "postgres",
    "rabbitmq",
    "erlang_cookie",
    "s3_secret",
    "stripe_webhook",
    "roles",
)


class Credentials:
    """Every secret of one stack by name."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @classmethod
    def of(cls, state: State) -> "Credentials":
        """Those of the state folder, with whatever a newer version needs in addition."""
        values = read_json(state.secrets)
        missing = {name: secrets.token_hex(32) for name in _HEX_32_BYTES if name not in values}
        if missing:
            values |= missing
            write_atomically(state.secrets, json.dumps(values, indent=1))
        return cls(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def role_passwords(self, foreign_database_url: str | None) -> dict[str, str]:
        """The password of each service's login role.

        Roles belong to a whole database server. On a foreign one they are derived from its address and login, so
        that two stacks on it agree, whichever database each uses; on our own they come from our own secret.
        """
        key = _server(foreign_database_url) if foreign_database_url else self._values["roles"]
        return {
            service: hmac.new(key.encode(), f"reapi role {service}".encode(), hashlib.sha256).hexdigest()
            for service in SERVICES
        }


def _server(database_url: str) -> str:
    """Where a server is and who administers it, whatever else the URL says."""
    # Loaded here, for most stacks have a database of their own.
    from psycopg.conninfo import conninfo_to_dict

    said = {"port": 5432, **conninfo_to_dict(database_url)}
    return json.dumps([str(said.get(part, "")) for part in ("user", "password", "host", "port")])
