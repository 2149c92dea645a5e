"""When an upstream is asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.catalogue import load
from dispatcher.domain.polling import JITTER, pause_s


@given(st.floats(0.1, 1_000), st.none() | st.floats(0.1, 1_000), st.floats(0, 1, exclude_max=True))
def test_never_sooner_than_planned_nor_than_the_provider_wishes_and_hardly_later(planned_s, wish_s, chance):
    pause = pause_s(planned_s, wish_s, chance)
    longest = max(planned_s, wish_s or 0)
    assert longest <= pause <= longest * (1 + JITTER)


@pytest.mark.parametrize(("age_s", "every_s"), [(0, 2), (29, 2), (30, 5), (119, 5), (120, 15), (10_000, 15)])
def test_videos_are_asked_about_less_often_the_older_they_are(age_s, every_s):
    model = load().find("seedance-2.0")
    assert model is not None
    assert model.poll_after_ms(age_s * 1000) == every_s * 1000
