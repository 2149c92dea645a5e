"""What the commands say when they cannot do what was asked, and what `make` hands to them."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from support.stack import CHECKOUT, inherited

COMMANDS = (["up"], ["down"], ["status"], ["logs"], ["clean"], ["account", "--email", "a@b", "--credits", "1"])


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "stack", *arguments],
        check=False, env={**inherited(), **environment}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def said(done):
    """The one sentence of a refusal."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_state_folder_that_is_a_file_is_named(command, tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert f"{file} is not a folder" in said(run(*command, LOCAL_STATE=str(file)))
    assert "Traceback" not in run(*command, LOCAL_STATE=str(file / "below")).stderr


@pytest.mark.parametrize("name", ["two\nlines", "it's", 'a"quote', "a#b"])
def test_a_state_folder_the_broker_cannot_bear_is_refused(name, tmp_path):
    assert "LOCAL_STATE" in said(run("up", LOCAL_STATE=str(tmp_path / name)))
    assert list(tmp_path.iterdir()) == []


def test_a_state_folder_that_cannot_be_made_is_told_in_a_sentence():
    assert "LOCAL_STATE" in said(run("up", LOCAL_STATE="/proc/nowhere"))
    assert "LOCAL_STATE" in said(run("up", LOCAL_STATE="/tmp/" + "x" * 300))


@pytest.mark.parametrize(
    "given",
    [{"DATABASE_URL": "mysql://a:hush@there/db"}, {"EGRESS_ALLOW_CIDRS": "garbage"}],
    ids=lambda given: next(iter(given)),
)
def test_up_refuses_at_once_what_no_service_could_use(given, tmp_path):
    state = tmp_path / "state"
    sentence = said(run("up", LOCAL_STATE=str(state), **given))
    assert next(iter(given)) in sentence
    assert "hush" not in sentence
    assert not state.exists()


def test_without_a_stack_there_are_no_logs_to_follow(tmp_path):
    assert "No stack of" in said(run("logs", LOCAL_STATE=str(tmp_path)))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/gateway.log").touch()
    assert str(tmp_path / "logs") in said(run("logs", LOCAL_STATE=str(tmp_path)))


@pytest.mark.parametrize("limit", ["0", "2147483648", "many"])
@pytest.mark.parametrize("option", ["--rate", "--inflight"])
def test_a_limit_the_gateway_could_not_keep_is_refused(option, limit, tmp_path):
    arguments = ("account", "--email", "a@b", "--credits", "1", option, limit)
    assert limit in said(run(*arguments, LOCAL_STATE=str(tmp_path)))


@pytest.fixture
def makefile(tmp_path):
    """The Makefile over programs that only print what they are given."""
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    for name, script in {
        "deploy/local/bootstrap": "#!/bin/sh",
        ".venv/bin/python": f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[3:]))",
    }.items():
        program = tmp_path / name
        program.parent.mkdir(parents=True)
        program.write_text(script)
        program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    "email", ["o'brien@x.org", "'; touch ran; '@x", "$(shell touch ran)@x", '"`touch ran`"$HOME@x']
)
@pytest.mark.parametrize("through", ["arguments", "environment"])
def test_make_hands_on_what_was_typed_and_runs_none_of_it(makefile, email, through):
    given = {"EMAIL": email, "CREDITS": "5; touch ran", "RATE": "$(shell touch ran)"}
    typed = [f"{name}={value}" for name, value in given.items()] if through == "arguments" else []
    done = subprocess.run(
        ["make", "account", *typed],
        check=True, cwd=makefile, env={"PATH": os.environ["PATH"], **({} if typed else given)},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    handed = ["account", f"--email={email}", "--credits=5; touch ran", "--rate=$(shell touch ran)"]
    assert json.loads(done.stdout.splitlines()[-1]) == handed
    assert not (makefile / "ran").exists()


def test_make_wants_an_email_and_credits(makefile):
    done = subprocess.run(["make", "account"], check=False, cwd=makefile, capture_output=True, text=True, timeout=30)
    assert "usage: make account" in said(done)
