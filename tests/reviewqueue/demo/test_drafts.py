"""The demo's sentences are whole, their signals computed, the score worth calibrating."""

from collections import Counter
from datetime import date

import numpy as np
import pytest

from reviewqueue.demo import Prediction
from reviewqueue.demo.drafts import POSTED, predictions, read_drafted
from reviewqueue.demo.passages import read_passages
from reviewqueue.demo.streams import DRAFTS
from routing.core.evidence import NOT_FOUND, STALE, Evidence, EvidenceTable, read_evidence
from routing.core.grounding import SUPPORTED
from routing.grounded import REPORTING_EDGES

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def scored() -> list[Prediction]:
    return list(predictions(today=TODAY))


@pytest.fixture(scope="module")
def firsts(scored: list[Prediction]) -> list[Prediction]:
    return [each for each in scored if not each.retry_of]


def read(prediction: Prediction) -> Evidence:
    assert prediction.grounds is not None
    return read_evidence(
        sentence=prediction.payload["sentence"],
        signals=prediction.signals,
        blocks=prediction.grounds.blocks,
        claims=prediction.grounds.claims,
        received=TODAY,
        freshness_days=365,
    )


def test_sentences_are_numbered_and_each_written_once() -> None:
    drafted = [each for each in read_drafted() if not each.how]
    assert [each.external_id for each in drafted] == [f"DR-{n:04d}" for n in range(1, 285)]
    assert len({each.sentence for each in drafted}) == 284
    drafts = Counter(each.draft for each in drafted)
    assert (len(drafts), max(drafts.values())) == (88, 6)


def test_sentences_name_passages_that_there_are() -> None:
    known = {passage.id for passage in read_passages()}
    for drafted in read_drafted():
        assert set(drafted.passages) <= known
    first = [each for each in read_drafted() if not each.how]
    assert sum(bool(each.passages) for each in first) == 155
    assert sum(each.off_topic for each in first) == 7


def test_predictions_come_draft_by_draft_and_retries_last(scored: list[Prediction]) -> None:
    texts = [each.text for each in scored]
    changes = [text for place, text in enumerate(texts) if texts[place - 1 : place] != [text]]
    firsts = [each.text for each in scored if not each.retry_of]
    assert len(set(firsts)) == 88
    assert len(changes) == 88 + len({each.text for each in scored if each.retry_of})
    assert [bool(each.retry_of) for each in scored] == sorted(bool(e.retry_of) for e in scored)


def test_predictions_have_blocks_by_score_and_signals(scored: list[Prediction]) -> None:
    for each in scored:
        assert each.grounds is not None
        blocks = each.grounds.blocks
        assert len(blocks) == POSTED
        assert [b["score"] for b in blocks] == sorted((b["score"] for b in blocks), reverse=True)  # type: ignore[type-var]
        assert 0 <= each.signals["entailment_probability"] <= 1
        assert each.signals["claim_count"] == max(1, len(each.grounds.claims))
        assert (each.truth == SUPPORTED) == bool(each.block)


def test_sentence_is_supported_only_by_what_was_found(firsts: list[Prediction]) -> None:
    written = {each.external_id: each for each in read_drafted()}
    missed = [e for e in firsts if written[e.external_id].passages and e.truth != SUPPORTED]
    assert 20 < len(missed) < 40
    assert sum(each.truth == SUPPORTED for each in firsts) == 155 - len(missed)


def test_retries_are_mostly_better(scored: list[Prediction]) -> None:
    firsts = {each.external_id: each for each in scored if not each.retry_of}
    retries = [each for each in scored if each.retry_of]
    assert 40 < len(retries) < 70
    better = [
        each.signals["entailment_probability"]
        > firsts[each.retry_of].signals["entailment_probability"]
        for each in retries
    ]
    assert sum(better) / len(better) > 0.75


def test_warnings_are_among_them(firsts: list[Prediction]) -> None:
    warned = Counter(code for each in firsts for code, _ in read(each).warnings)
    assert warned[STALE] == 9
    assert warned[NOT_FOUND] > 10


def test_score_tells_supported_sentences_but_not_always(firsts: list[Prediction]) -> None:
    said = np.array([each.signals["entailment_probability"] for each in firsts])
    truth = np.array([each.truth == SUPPORTED for each in firsts])
    wins = (said[truth][:, None] > said[~truth][None, :]).mean()
    assert 0.85 < wins < 0.95
    sure_and_wrong = ((said > 0.5) & ~truth).sum()
    assert 20 < sure_and_wrong < 50


def test_bands_of_the_composite_are_as_documented(firsts: list[Prediction]) -> None:
    table = EvidenceTable(np.arange(len(firsts)), tuple(read(each) for each in firsts))
    grounding = DRAFTS.grounding
    assert grounding is not None
    total = table.combine(grounding).total
    truth = np.array([each.truth == SUPPORTED for each in firsts])
    band = np.digitize(total, REPORTING_EDGES)
    assert [
        (
            int((band == place).sum()),
            round(100 * float(total[band == place].mean())),
            round(100 * float(truth[band == place].mean())),
        )
        for place in range(len(REPORTING_EDGES) + 1)
    ] == [(61, 22, 2), (46, 39, 7), (28, 58, 21), (15, 79, 27), (39, 91, 77), (95, 98, 86)]


def test_age_of_a_source_is_told_from_today(scored: list[Prediction]) -> None:
    dates = {
        str(block["id"]).partition("#")[0]: block["date"]
        for each in scored
        if each.grounds
        for block in each.grounds.blocks
    }
    assert dates["connect"] == "2026-09-13"
    assert dates["performance-first"] == "2025-05-11"


def test_same_seed_gives_the_same_and_another_another_order(scored: list[Prediction]) -> None:
    again = list(predictions(today=TODAY))
    assert again == scored
    other = list(predictions(today=TODAY, seed=8))
    assert {each.external_id for each in other} == {each.external_id for each in scored}
    assert [each.external_id for each in other] != [each.external_id for each in scored]
