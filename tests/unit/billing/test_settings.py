"""Billing refuses bad settings, names the variable, and never shows its value."""

import pytest
from click.testing import CliRunner

from billing.__main__ import main

GOOD = {
    "BILLING_DATABASE_URL": "postgresql://reapi_billing:hunter2@127.0.0.1:1/reapi",
    "AMQP_URL": "amqp://127.0.0.1:1",
    "INTERNAL_TOKEN": "0123456789abcdef",
}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BILLING_DATABASE_URL", None),
        ("AMQP_URL", None),
        ("INTERNAL_TOKEN", None),
        ("INTERNAL_TOKEN", "short"),
        ("BILLING_PORT", "seventy"),
        ("BILLING_EXPIRE_AFTER_DEADLINE_S", "0"),
        ("BILLING_SWEEP_EVERY_S", "-1"),
        ("BILLING_CHECK_EVERY_S", "100000"),
    ],
)
def test_serve_names_the_setting_that_is_wrong(variable: str, value: str | None) -> None:
    result = CliRunner(env={**dict.fromkeys(GOOD), **GOOD, variable: value}).invoke(main, ["serve"])
    assert result.exit_code == 1
    assert f"  {variable}: " in result.output
    assert "hunter2" not in result.output
    assert "short" not in result.output.replace("shorter", "")


@pytest.mark.parametrize("command", [["check"], ["balance", "018f0000-0000-7000-8000-000000000000"]])
def test_operator_commands_say_which_database_they_lack(command: list[str]) -> None:
    result = CliRunner(env={"BILLING_DATABASE_URL": None}).invoke(main, command)
    assert result.exit_code == 1
    assert "BILLING_DATABASE_URL is not set" in result.output


def test_a_database_that_is_away_is_one_sentence() -> None:
    result = CliRunner(env=GOOD).invoke(main, ["check"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "does not answer" in result.output
