"""A model's standing follows what dispatchers say of its routes."""

from gateway.domain.health import FORGET_AFTER_S, Health, ModelHealth, Standing

ROUTES = ["openai", "fal"]


def told(*words: tuple[str, str, str]) -> ModelHealth:
    health = Health()
    for replica, provider, state in words:
        health.hear(replica, provider, "m", state, 0)
    return health.of("m", ROUTES, 1)


def test_of_what_nobody_complains_is_operational():
    assert told() == ModelHealth(Standing.OPERATIONAL, 2, 2)
    assert told(("a", "fal", "resting"), ("a", "fal", "well")).standing is Standing.OPERATIONAL


def test_one_route_of_two_is_degraded_service():
    for state in ("resting", "drained", "slow", "probing"):
        assert told(("a", "fal", state)) == ModelHealth(Standing.DEGRADED, 2, 1)


def test_a_route_is_as_well_as_the_worst_word_on_it():
    assert told(("a", "fal", "resting"), ("b", "fal", "well")).well == 1


def test_without_a_well_route_it_matters_whether_one_is_tried_again():
    assert told(("a", "openai", "resting"), ("a", "fal", "resting")).standing is Standing.UNAVAILABLE
    assert told(("a", "openai", "resting"), ("a", "fal", "probing")).standing is Standing.RECOVERING
    both = (("a", "openai", "resting"), ("a", "fal", "probing"), ("b", "fal", "resting"))
    assert told(*both).standing is Standing.UNAVAILABLE


def test_whose_voice_is_gone_is_forgotten():
    health = Health()
    health.hear("dead", "fal", "m", "resting", 0)
    assert health.of("m", ROUTES, FORGET_AFTER_S).well == 1
    assert health.of("m", ROUTES, FORGET_AFTER_S + 1).well == 2
