"""Model Armor's results with one value changed: a match is never read as an approval."""

from helpers.mutations import REPLACEMENTS, mutations

from vertex_compat.services.model_armor import Verdict, verdict

EXECUTED = {"executionState": "EXECUTION_SUCCESS"}
MATCHED = {
    "sanitizationResult": {
        "filterMatchState": "MATCH_FOUND",
        "invocationResult": "SUCCESS",
        "filterResults": {
            "csam": {"csamFilterFilterResult": EXECUTED | {"matchState": "NO_MATCH_FOUND"}},
            "rai": {
                "raiFilterResult": EXECUTED
                | {
                    "matchState": "MATCH_FOUND",
                    "raiFilterTypeResults": {"dangerous": {"matchState": "MATCH_FOUND"}},
                }
            },
        },
    }
}
PASSED = {"sanitizationResult": {"filterMatchState": "NO_MATCH_FOUND", "invocationResult": "SUCCESS"}}


def test_match_with_a_changed_value_is_no_approval():
    assert verdict(MATCHED).matches == ("rai: dangerous",)
    for path, mutated in mutations(MATCHED, (*REPLACEMENTS, 1, "NO_MATCH_FOUND")):
        result = verdict(mutated)
        assert result.matches or not result.complete, path


def test_approval_with_a_changed_value_is_not_complete():
    assert verdict(PASSED) == Verdict((), complete=True)
    for path, mutated in mutations(PASSED, (None, "NEW_VALUE", 0, 3, 5.5, True, ["q"], {"q": 1})):
        assert not verdict(mutated).complete, path


def test_enums_may_be_numbers():
    numbers = {"filterMatchState": 1, "invocationResult": 1}
    assert verdict({"sanitizationResult": numbers}) == Verdict((), complete=True)
    assert verdict({"sanitizationResult": numbers | {"filterMatchState": 2}}).matches == ("unnamed filter",)
