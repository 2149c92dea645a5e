"""The page about failures says what the tests hold true; ``make pages`` writes it anew."""

from support.failure_table import DOCUMENT, text


def test_the_page_about_failures_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == text(), "write it with: make pages"
