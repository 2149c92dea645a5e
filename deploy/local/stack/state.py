"""Where everything lies: the checkout, what is downloaded once for it, and the state folder of one stack."""

import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from stack.errors import CannotSetUp

CHECKOUT = Path(__file__).resolve().parents[3]
CACHE = CHECKOUT / ".cache"

_ENDS_A_SETTING = frozenset("'\"#")

SERVICES = ("gateway", "billing", "dispatcher", "storage", "notifier")


class State:
    """The files of one stack; two stacks with different folders share nothing but the downloads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = root / "env"
        """What a client, a test or an operator needs to know, as KEY=VALUE lines."""
        self.logs = root / "logs"
        self.traces = root / "traces"
        self.objects = root / "objects"
        self.keys = root / "keys"
        """The sealing keys: public.json for the gateway, private.json for the dispatcher."""
        self.run = root / "run"
        self.lock = self.run / "supervisor.lock"
        """Held by the living supervisor; its process id is inside."""
        self.status = self.run / "status.json"
        self.pids = self.run / "pids"
        """One file per process we started, to find it again if the supervisor dies."""
        self.service_environments = self.run / "environments"
        """What each service was given, one file per service."""
        self.secrets = self.run / "secrets.json"
        self.ports = self.run / "ports.json"
        self.demo = self.run / "demo.json"

    @classmethod
    def of_environment(cls) -> "State":
        """The folder named by ``LOCAL_STATE``, seen from where the command was typed."""
        root = Path(os.environ.get("LOCAL_STATE") or ".local").absolute()
        # Spaces and the like are fine; these end a value in RabbitMQ's settings, or a line of ours.
        if not str(root).isprintable() or not _ENDS_A_SETTING.isdisjoint(str(root)):
            raise CannotSetUp(
                f"LOCAL_STATE={str(root)!r} holds a quote, a # or a control character, with which RabbitMQ does not "
                "start. Name a folder without."
            )
        try:
            usable = root.is_dir() or not root.exists()
        except OSError as reason:
            raise CannotSetUp(f"LOCAL_STATE={root} cannot be looked at: {reason.strerror}.") from reason
        if not usable:
            raise CannotSetUp(f"LOCAL_STATE={root} is not a folder. Name one, or a place where one can be made.")
        return cls(root)

    def create(self) -> None:
        """Make the folders; only their owner may look inside the ones that hold secrets."""
        try:
            for folder in (self.root, self.logs, self.traces, self.objects):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.run, self.pids, self.service_environments):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as reason:
            raise CannotSetUp(
                f"The stack's folders cannot be made: {reason}. Set LOCAL_STATE to a place that can be written."
            ) from reason


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file at once: a reader sees the old text or the new one, never half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where there is no readable file yet."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_client_file(path: Path) -> dict[str, str]:
    """The pairs of `env`; empty where there is none yet."""
    try:
        lines = path.read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name: shlex.split(value)[0] if value.startswith("'") else value for name, value in pairs}
