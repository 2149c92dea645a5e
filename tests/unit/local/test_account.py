"""`make account`, with stand-ins for the three services' commands."""

import json
import os
import shlex
import subprocess
import sys
import uuid

import pytest

from stack.account import Wanted, create
from stack.errors import CannotSetUp

COMMAND = """\
import json, os, sys
name = {name!r}
with open(os.environ["CALLS"], "a") as file:
    file.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
if name == os.environ.get("REFUSES"):
    sys.exit(name + " refuses")
print(json.dumps({{"api_key": "sk", "webhook_secret": "whsec"}}))
"""


@pytest.fixture
def services(tmp_path):
    class Services:
        refuses = ""

        def environment(self, _service):
            calls = str(tmp_path / "calls")
            return {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "CALLS": calls, "REFUSES": self.refuses}

        @property
        def calls(self):
            return [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]

    for name in ("gateway", "billing", "notifier"):
        (tmp_path / f"{name}.py").write_text(COMMAND.format(name=name))
    return Services()


async def test_an_account_has_a_key_a_secret_and_its_credits(services):
    made = await create(services.environment, Wanted("who@example.org", "12.5", inflight=3))
    assert (made["api_key"], made["webhook_secret"]) == ("sk", "whsec")
    asked = {call[0]: call for call in services.calls}
    assert asked["gateway"][-4:] == ["--email", "who@example.org", "--inflight", "3"]
    assert asked["billing"][1:5] == ["credit", made["account_id"], "--credits", "12.5"]


async def test_whom_the_gateway_refuses_gets_no_credits(services):
    services.refuses = "gateway"
    with pytest.raises(CannotSetUp, match="gateway refuses"):
        await create(services.environment, Wanted("nobody", "5"))
    assert [name for name, *_ in services.calls] == ["gateway"]


@pytest.mark.parametrize(
    ("refuses", "there", "missing"),
    [
        ("billing", "a key and a webhook secret", "its credits"),
        ("notifier", "a key and its credits", "a webhook secret"),
    ],
)
async def test_of_a_half_made_account_it_is_said_what_exists_and_what_finishes_it(services, refuses, there, missing):
    services.refuses = refuses
    with pytest.raises(CannotSetUp, match=f"with {there}, but without {missing}: .*{refuses} refuses") as refusal:
        await create(services.environment, Wanted("o'brien@example.org", "5", rate_per_minute=60))
    account_id = services.calls[0][4]
    words = shlex.split(str(refusal.value).splitlines()[-1].partition(": ")[2])
    assert words[:2] == ["make", "account"]
    assert words[2:] == [f"ACCOUNT_ID={account_id}", "EMAIL=o'brien@example.org", "CREDITS=5", "RATE=60"]


async def test_to_finish_an_account_books_its_credits_under_the_same_operation(services):
    account_id = str(uuid.uuid4())
    for _ in range(2):
        await create(services.environment, Wanted("who@example.org", "5"), account_id)
    first, second = (call for call in services.calls if call[0] == "billing")
    assert first == second
    assert first[-2] == "--operation"


@pytest.mark.parametrize("amount", ["", "many", "-1", "nan", "snan", "inf", "1e9999999", "0.0001", "o'brien"])
async def test_credits_that_are_none_are_refused_before_anything_is_made(amount, services):
    with pytest.raises(CannotSetUp, match=f"CREDITS={amount}: "):
        await create(services.environment, Wanted("who@example.org", amount))


@pytest.mark.parametrize("email", ["nobody", "a b@example.org", "who@", "a@b@c", "'; rm", "a\nb@c", "x" * 254 + "@c"])
def test_the_gateway_names_an_email_that_is_none(email):
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "account", "create", "--account-id", str(uuid.uuid4()), "--email", email],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode != 0
    assert f"{email!r} is not an e-mail address" in done.stderr
    assert "Traceback" not in done.stderr
