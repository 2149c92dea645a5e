"""What is worth saying of routes: changes, and what is still not well."""

from dispatcher.routing.health import AGAIN_S, Bulletin, Health

ROUTE = ("openai", "gpt-image-2")


def test_a_change_is_said_once_and_what_is_not_well_again_and_again():
    bulletin = Bulletin()
    assert bulletin.news({ROUTE: Health.WELL}, 0) == []
    assert bulletin.news({ROUTE: Health.RESTING}, 1) == [(*ROUTE, Health.RESTING, True)]
    assert bulletin.news({ROUTE: Health.RESTING}, 2) == []
    assert bulletin.news({ROUTE: Health.RESTING}, 1 + AGAIN_S) == [(*ROUTE, Health.RESTING, False)]
    assert bulletin.news({ROUTE: Health.PROBING}, 2 + AGAIN_S) == [(*ROUTE, Health.PROBING, True)]
    assert bulletin.news({ROUTE: Health.WELL}, 3 + AGAIN_S) == [(*ROUTE, Health.WELL, True)]
    assert bulletin.news({ROUTE: Health.WELL}, 9 + 2 * AGAIN_S) == []
