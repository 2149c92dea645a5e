"""The alarms ring: each of these defects, put into a copy of billing, turns its tests red."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BILLING = ROOT / "services" / "billing"
TESTS = "tests/integration/billing"


@dataclass(frozen=True)
class Sabotage:
    """One defect: what is replaced in which file, and the tests that must notice."""

    name: str
    file: str
    before: str
    after: str
    noticed_by: tuple[str, ...]


SABOTAGES = (
    Sabotage(
        "read-then-write balance",
        "src/billing/repository/holds.py",
        "from accounts where account_id = any(%(account_ids)s::uuid[]) order by account_id for update",
        "from accounts where account_id = any(%(account_ids)s::uuid[])",
        (f"{TESTS}/test_holds.py",),
    ),
    Sabotage(
        "dropped unique constraint",
        "migrations/versions/0001_ledger.py",
        "operation text not null unique check",
        "operation text not null check",
        (f"{TESTS}/test_operator.py", f"{TESTS}/test_holds.py"),
    ),
    Sabotage(
        "price read at capture",
        "src/billing/repository/settlements.py",
        "select amount / outputs * least(delivered, outputs) as charged",
        "select least(amount, (select unit_price_microusd from prices order by version desc limit 1)"
        " * least(delivered, outputs)) as charged",
        (f"{TESTS}/test_price_changes.py", f"{TESTS}/test_settlements.py"),
    ),
    Sabotage(
        "refund outside the transaction",
        "src/billing/repository/settlements.py",
        "where a.account_id = m.account_id and m.amount > 0\n)",
        "where a.account_id = m.account_id and m.amount < 0\n)",
        (f"{TESTS}/test_settlements.py",),
    ),
    Sabotage(
        "empty Stripe secret",
        "src/billing/settings.py",
        "if self.stripe_api_key.get_secret_value() and len",
        "if False and len",
        (f"{TESTS}/payments/test_misfits.py",),
    ),
    Sabotage(
        "credits by the event's word",
        "src/billing/payments/sync.py",
        "if (session.mode, session.amount_subtotal) != (wanted, order.amount_cents):",
        "if False:",
        (f"{TESTS}/payments/test_misfits.py",),
    ),
    Sabotage(
        "a raise without notice",
        "migrations/versions/0002_price_changes.py",
        "taken.happened_at + interval '336 hours'",
        "taken.happened_at + interval '335 hours'",
        (f"{TESTS}/test_price_changes.py",),
    ),
)


def outcome(copy: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The tests over the copy, stopped at the first that fails."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "REAPI_MIGRATIONS_DIR": str(copy.parent)}
    environment.pop("PROOF", None)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def copied(folder: Path) -> Path:
    """Billing beside the other services' migrations, as an image has them."""
    for service in (ROOT / "services").iterdir():
        if (service / "migrations").is_dir():
            shutil.copytree(service / "migrations", folder / service.name / "migrations")
    shutil.copytree(BILLING / "src", folder / "billing" / "src")
    return folder / "billing"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda one: one.name)
def test_the_tests_notice(sabotage: Sabotage, tmp_path: Path) -> None:
    copy = copied(tmp_path)
    file = copy / sabotage.file
    text = file.read_text()
    assert sabotage.before in text, "the place this defect goes to has moved"
    file.write_text(text.replace(sabotage.before, sabotage.after))
    done = outcome(copy, sabotage.noticed_by)
    assert done.returncode == 1, f"nobody noticed: {done.stdout[-1500:]}{done.stderr[-500:]}"
    assert " failed" in done.stdout or " error" in done.stdout


@pytest.mark.timeout(600)
def test_without_a_defect_the_same_tests_are_green(tmp_path: Path) -> None:
    tests = tuple(dict.fromkeys(test for sabotage in SABOTAGES for test in sabotage.noticed_by))
    done = outcome(copied(tmp_path), tests)
    assert done.returncode == 0, done.stdout[-2000:]
