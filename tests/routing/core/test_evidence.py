"""What is decided from, read from a post."""

import math
from datetime import date

import pytest

from routing.core.evidence import (
    Evidence,
    EvidenceError,
    rank_blocks,
    read_evidence,
    read_places,
    stored_evidence,
)
from routing.core.numbers import Span

TODAY = date(2026, 11, 22)
SIGNALS: dict[str, object] = {"entailment_probability": 0.91, "claim_count": 2}


def block(name: str, score: float, *, text: str = "", day: str | None = None) -> dict[str, object]:
    return {"id": name, "title": "", "text": text, "score": score, "link": "", "date": day}


def read(
    *blocks: dict[str, object],
    signals: dict[str, object] | None = None,
    claims: tuple[dict[str, object], ...] = (),
    sentence: str = "It works.",
    freshness_days: int | None = None,
) -> Evidence:
    return read_evidence(
        sentence=sentence,
        signals=SIGNALS if signals is None else signals,
        blocks=blocks,
        claims=claims,
        received=TODAY,
        freshness_days=freshness_days,
    )


@pytest.mark.parametrize(
    ("scores", "gap"),
    [
        ((9.0, 8.0, 7.0, 6.0, 4.5, 0.0), 4.5),  # to the fifth, whatever follows
        ((2.0, 9.0, 5.0), 7.0),  # to the last of three, in whatever order
        ((3.0,), 0.0),
        ((3.0, 3.0, 3.0), 0.0),
        ((-1.0, -4.0), 3.0),
        ((), 0.0),
    ],
)
def test_gap_is_that_of_the_best_block_to_the_fifth(scores: tuple[float, ...], gap: float) -> None:
    found = read(*(block(str(place), score) for place, score in enumerate(scores)))

    assert (found.gap, found.blocks) == (gap, len(scores))


def test_cited_block_is_the_best_and_the_first_of_equals() -> None:
    assert read(block("a", 1.0), block("b", 2.0), block("c", 2.0)).block == "b"
    assert [each["id"] for each in rank_blocks([block("a", 1.0), block("b", 2.0)])] == ["b", "a"]
    assert read().block == ""


def test_evidence_of_signals_is_kept_as_posted() -> None:
    assert read(block("a", 1.0)) == Evidence(0.91, 2, 0.0, 1, "a", ())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "entailment_probability",
            None,
            "signals.entailment_probability is null; give a number from 0 to 1",
        ),
        (
            "entailment_probability",
            "0.9",
            "signals.entailment_probability is '0.9'; give a number from 0 to 1",
        ),
        (
            "entailment_probability",
            True,
            "signals.entailment_probability is true; give a number from 0 to 1",
        ),
        (
            "entailment_probability",
            math.nan,
            "signals.entailment_probability is nan; give a number from 0 to 1",
        ),
        (
            "entailment_probability",
            1.01,
            "signals.entailment_probability is 1.01; give a number from 0 to 1",
        ),
        (
            "entailment_probability",
            10**400,
            "signals.entailment_probability is a number far outside; give a number from 0 to 1",
        ),
        ("claim_count", 1.5, "signals.claim_count is 1.5; give a whole number from 0 to 1000"),
        ("claim_count", -1, "signals.claim_count is -1; give a whole number from 0 to 1000"),
        (
            "claim_count",
            math.inf,
            "signals.claim_count is inf; give a whole number from 0 to 1000",
        ),
        ("claim_count", False, "signals.claim_count is false; give a whole number from 0 to 1000"),
        ("claim_count", [2], "signals.claim_count is a list; give a whole number from 0 to 1000"),
    ],
)
def test_signal_that_is_no_number_of_its_range_is_refused_by_name(
    name: str, value: object, message: str
) -> None:
    with pytest.raises(EvidenceError) as caught:
        read(block("a", 1.0), signals=SIGNALS | {name: value})

    assert (caught.value.field, str(caught.value)) == (f"signals.{name}", message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "entailment_probability",
            "signals.entailment_probability is missing; "
            "add how probably a block supports the sentence",
        ),
        (
            "claim_count",
            "signals.claim_count is missing; add how many claims the sentence makes",
        ),
    ],
)
def test_missing_signal_is_refused_by_name(name: str, message: str) -> None:
    signals = {key: value for key, value in SIGNALS.items() if key != name}

    with pytest.raises(EvidenceError) as caught:
        read(block("a", 1.0), signals=signals)

    assert str(caught.value) == message


def test_further_signals_are_ignored() -> None:
    boasting = SIGNALS | {"self_reported_confidence": 1.0, "similarity": 0.99, "perplexity": 2.0}

    assert read(block("a", 1.0), signals=boasting) == read(block("a", 1.0))


def test_claims_count_themselves_and_the_least_probable_speaks_for_the_sentence() -> None:
    claims = (
        {"text": "It is free.", "entailment_probability": 0.9},
        {"text": "It is fast.", "entailment_probability": 0.4},
    )

    assert read(block("a", 1.0), signals={}, claims=claims)[:2] == (0.4, 2)
    own: dict[str, object] = {"entailment_probability": 0.7}
    assert read(block("a", 1.0), signals=own, claims=claims)[:2] == (0.7, 2)


def test_claim_count_that_is_not_that_of_the_claims_is_refused() -> None:
    with pytest.raises(EvidenceError) as caught:
        read(
            block("a", 1.0),
            signals={"claim_count": 3},
            claims=({"text": "It is free.", "entailment_probability": 0.9},),
        )

    assert str(caught.value) == (
        "signals.claim_count is 3 but 1 claims are posted; make them agree or leave it out"
    )


@pytest.mark.parametrize(
    ("day", "limit", "expected"),
    [
        ("2025-11-22", 365, ()),
        (
            "2025-11-21",
            365,
            (("stale_source", {"block": "a", "age_days": 366, "limit_days": 365}),),
        ),
        ("2020-01-01", None, ()),
        (None, 1, ()),
        ("2027-01-01", 1, ()),
        (
            "2026-11-20T23:00:00Z",
            1,
            (("stale_source", {"block": "a", "age_days": 2, "limit_days": 1}),),
        ),
    ],
)
def test_cited_block_that_is_too_old_is_told(
    day: str | None, limit: int | None, expected: tuple[object, ...]
) -> None:
    found = read(block("a", 2.0, day=day), block("b", 1.0, day="1999-01-01"), freshness_days=limit)

    assert found.warnings == expected


def test_numbers_that_stand_in_no_block_are_told_by_their_places() -> None:
    found = read(
        block("a", 2.0, text="It takes 5 days."),
        block("b", 1.0, text="or 9"),
        sentence="It takes 5, 7 or 9 days, 11 at most.",
    )

    [(code, numbers)] = found.warnings
    assert (code, numbers) == ("number_not_found", {"count": 2, "places": "12-13 25-27"})
    assert read_places(numbers["places"]) == [Span(12, 13), Span(25, 27)]


def test_numbers_are_not_looked_for_where_there_is_no_block() -> None:
    assert read(sentence="It takes 5 days.").warnings == ()


def test_stored_evidence_reads_back_what_was_written() -> None:
    own = read(block("a", 2.0, day="2020-01-01"), sentence="5 of them", freshness_days=10)

    table, errors = stored_evidence([own.to_json(), None, {"gap": 1.0}])

    assert table.rows == (own,)
    assert table.index.tolist() == [0]
    assert {number: error.field for number, error in errors.items()} == {
        1: "evidence",
        2: "evidence",
    }
