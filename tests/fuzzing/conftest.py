"""How much is tried: little and always the same in the suite, much and at random with --hypothesis-profile=thorough."""

from hypothesis import HealthCheck, settings

ALL_CHECKS = list(HealthCheck)

settings.register_profile("thorough", max_examples=10_000, deadline=None, suppress_health_check=ALL_CHECKS)


def tries(number: int) -> settings:
    """For a test that tries so many examples in the suite, and a hundred times as many when it is thorough."""
    thorough = settings.default is not None and settings.default.max_examples >= 10_000
    return settings(
        max_examples=number * 100 if thorough else number,
        derandomize=not thorough,
        database=None,
        deadline=None,
        suppress_health_check=ALL_CHECKS,
    )
