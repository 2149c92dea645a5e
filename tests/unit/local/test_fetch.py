import pytest

from stack import fetch
from stack.errors import CannotSetUp

STATUS = """\
Package: libc6
Status: install ok installed

Package: erlang-base
Status: install ok installed
Description: virtual machine
 more words

Package: rabbitmq-server
Status: install ok installed

Package: socat
Status: install ok installed
"""


def test_an_installed_broker_is_fetched_all_the_same():
    kept = fetch.without_broker(STATUS)
    assert "libc6" in kept
    assert "socat" in kept
    assert "erlang" not in kept
    assert "rabbitmq" not in kept


def test_both_of_erlangs_scripts_can_be_told_where_erlang_lies(tmp_path):
    scripts = [tmp_path / "usr/lib/erlang/bin/erl", tmp_path / "usr/lib/erlang/erts-13.1.5/bin/erl"]
    for script in scripts:
        script.parent.mkdir(parents=True)
        script.write_text("#!/bin/sh\nROOTDIR=/usr/lib/erlang\n")
    fetch.make_relocatable(tmp_path)
    assert all("${RMQ_ERLANG_ROOT:-/usr/lib/erlang}" in script.read_text() for script in scripts)


def test_without_apt_the_alternatives_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotSetUp) as refusal:
        fetch.rabbitmq_root(tmp_path / "cache")
    assert "apt-get" in str(refusal.value)
    assert "AMQP_URL" in str(refusal.value)
    assert "docker-compose.yml" in str(refusal.value)


def test_what_was_fetched_once_needs_neither_apt_nor_network(tmp_path, monkeypatch):
    kept = tmp_path / "rabbitmq/0123"
    (kept / "usr/lib/rabbitmq/bin").mkdir(parents=True)
    (kept / "usr/lib/rabbitmq/bin/rabbitmq-server").touch()
    (tmp_path / "rabbitmq/current").symlink_to("0123")
    monkeypatch.setenv("PATH", "")
    assert fetch.rabbitmq_root(tmp_path) == kept
