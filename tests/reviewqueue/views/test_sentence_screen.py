"""The review screen of a drafted sentence: what stands beside it, and what is answered."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.views.sentence_sheet import draw_sheet
from routing.models import Decision, Item, Stream
from tests import scenes
from tests.forms import read_form
from tests.grounded_scenes import BLOCKS, GREEN, make_grounded_stream, post_sentence

TWELVE = "An import file may have at most 12 MB."
CLAIMS = (
    {"text": "There is a limit.", "entailment_probability": 0.95},
    {"text": "It is 10 MB.", "entailment_probability": 0.91},
)
SUPPORTED = {"kind": "category", "categories": "supported"}


@pytest.fixture
def stream(db: None) -> Stream:
    return make_grounded_stream(freshness_days=30)


def seat(stream: Stream, external_id: str = "s-1", *, blind: bool = False, **fields: object) -> str:
    """A seat of its own for one sentence, in a queue that is judged one by one."""
    taken = post_sentence(stream, external_id, **fields)
    queue = ReviewTask.Queue.AUDIT if blind else ReviewTask.Queue.HOLD
    ReviewTask.objects.filter(item=taken.item_id).update(blind=blind, queue=queue)
    return f"/streams/drafts/{queue}/"


def text_of(content: bytes) -> str:
    return " ".join(re.sub(r"(?s)<[^>]+>", " ", content.decode()).split())


def answer(client: Client, address: str, **fields: object) -> int:
    client.get(address)
    task = ReviewTask.objects.get(state="claimed")
    body = {"lease_token": task.lease_token, "block": ""} | SUPPORTED | fields
    return client.post(f"/tasks/{task.id}/verdict", body).status_code


def test_sentence_stands_with_its_badge_and_sources(plain: Client, stream: Stream) -> None:
    page = plain.get(seat(stream, sentence=TWELVE)).content

    assert re.search(
        r"Amber Sources B An import file may have at most 12 \(stands in no source\) MB\. "
        r".* Which source supports it\? Limits 3 cited score 0\.90 \d+ days old "
        r"docs\.example\.org \(opens a new window\) A file of more than 10 MB is refused\. "
        r"files#formats 4 score 0\.50 no date CSV and JSONL are read\. No single one 0",
        text_of(page),
    )
    assert b'A <mark class="mark mark--word">file</mark> of more than 10 <mark' in page


def test_confidence_is_told_with_what_it_is_made_of(plain: Client, stream: Stream) -> None:
    page = text_of(plain.get(seat(stream, sentence=TWELVE)).content)

    assert re.search(
        r"Machine's answer Not calibrated Amber 72 % ships, and a person checks it · policy 1 "
        r"raw 0\.72 .*The cited block is \d+ days old, over the limit of 30 "
        r"1 number of the sentence stands in no block What each signal contributed "
        r"Entailment 0\.91 0\.55 of 0\.60 Retrieval gap 0\.40 0\.10 of 0\.25 "
        r"Claims 1 of 2 claims 0\.07 of 0\.15 Why not auto\? Confidence 72% under 85% ",
        page,
    )


def test_machines_answer_and_citation_are_chosen_beforehand(plain: Client, stream: Stream) -> None:
    page = plain.get(seat(stream)).content.decode()

    checked = re.findall(r'name="(\w+)"[^>]* value="([^"]*)"[^>]* checked', page)
    assert checked[:2] == [("block", "files#limits"), ("categories", "supported")]
    assert [name for name, _value in checked[2:]] == ["theme"]
    assert "Confirm: Supported" in page


def test_answers_that_make_no_sense_are_absent(plain: Client, stream: Stream) -> None:
    page = plain.get(seat(stream)).content.decode()

    keys = re.findall(r'<(?:button|input|summary|a)[^>]*data-key="(\w)"', page)
    assert sorted(keys) == sorted(["b", "3", "4", "0", "1", "2", "t", "d", "c", "s", "e", "i", "m"])
    assert "no_category_fits" not in page
    assert 'value="ambiguous"' not in page


def test_sentence_without_a_block_says_so(plain: Client, stream: Stream) -> None:
    taken = post_sentence(stream, "s-1", blocks=())

    page = text_of(plain.get(f"/streams/drafts/items/{taken.item_id}/").content)

    assert "Sources Nothing was retrieved for this sentence." in page


def test_blind_screen_has_nothing_of_the_decision(plain: Client, stream: Stream) -> None:
    page = plain.get(seat(stream, sentence=TWELVE, blind=True)).content.decode()
    work = page.partition('id="work"')[2].partition('<dialog class="dialog"')[0]
    # Ids and tokens are drawn, and hold any two digits now and then.
    work = re.sub(r"[0-9a-f-]{36}|[0-9A-Za-z]{64}", "", work)

    found = [
        told
        for told in (
            *("Amber", "amber", "Refused", "score", "cited", "composite", "0.9", "0.50", "0.72"),
            *("72", "stale", "limit of", "mark--missing", "stands in no", "contributed", ">raw "),
            *("badge--flagged", "entailment", "checked", "reason"),
        )
        if told in work
    ]
    assert found == []
    assert "Blind: the machine's answer is hidden until yours is in." in text_of(page.encode())


def test_blind_order_of_sources_does_not_follow_scores(stream: Stream) -> None:
    first = Item(id="01890000-0000-7000-8000-000000000001", payload={"sentence": TWELVE})
    first.blocks = [dict(block) for block in BLOCKS]
    sheet = draw_sheet(first, decision=None)
    for block, score in zip(first.blocks, (0.1, 0.8), strict=True):
        block["score"] = score

    assert draw_sheet(first, decision=None) == sheet
    assert [source.score for source in sheet.first] == ["", ""]
    orders = {
        tuple(
            source.id
            for source in draw_sheet(
                Item(id=f"01890000-0000-7000-8000-{n:012}", payload={}, blocks=first.blocks),
                decision=None,
            ).first
        )
        for n in range(20)
    }
    assert len(orders) == 2


def test_scores_are_seen_best_first_where_they_may_be(stream: Stream) -> None:
    post_sentence(stream, "s-1", blocks=BLOCKS[::-1])

    sheet = draw_sheet(Item.objects.get(), decision=Decision.objects.get())

    assert [(one.id, one.score, one.is_cited) for one in sheet.first] == [
        ("files#limits", "0.90", True),
        ("files#formats", "0.50", False),
    ]


def test_further_sources_fold(plain: Client, stream: Stream) -> None:
    many = [{"id": f"b{n}", "text": "A file.", "score": 1 - n / 10} for n in range(5)]

    page = plain.get(seat(stream, blocks=many)).content.decode()

    assert "2 more sources" in page
    assert re.findall(r'name="block"[^>]* value="(\w*)" data-kept(?: data-key="(\d)")?', page) == [
        *(("b0", "3"), ("b1", "4"), ("b2", "5"), ("b3", ""), ("b4", ""), ("", "0")),
    ]


def test_link_that_may_not_be_followed_is_text(plain: Client, stream: Stream) -> None:
    block = dict(BLOCKS[0]) | {"link": "javascript:alert(1)"}

    page = plain.get(seat(stream, blocks=[block])).content.decode()

    assert '<span class="source__link" dir="ltr">javascript:alert(1)</span>' in page


def test_text_of_upstream_is_escaped(plain: Client, stream: Stream) -> None:
    evil = "<script>file</script>"
    block = {"id": evil, "title": evil, "text": evil, "score": 1.0, "link": evil}
    address = seat(
        stream,
        sentence=f"{evil} 99",
        blocks=[block],
        claims=[{"text": evil, "entailment_probability": 0.99}],
        signals={"entailment_probability": 0.99},
    )

    assert "<script>file" not in plain.get(address).content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"block": "files#limits"}, ("supported", "files#limits", False, None)),
        ({"block": ""}, ("supported", "", False, None)),
        ({"off_topic": "yes"}, ("supported", "", True, None)),
        (
            {"categories": "not_supported", "block": "files#limits"},
            ("not_supported", "", False, None),
        ),
        (
            {"claim_count": "2", "claim-0": "yes", "claim-1": "yes"},
            ("supported", "", False, [True, True]),
        ),
        (
            {
                "categories": "not_supported",
                "claim_count": "2",
                "claim-0": "yes",
                "claim-1": "no",
            },
            ("not_supported", "", False, [True, False]),
        ),
        ({"claim_count": "2"}, ("supported", "", False, None)),
    ],
)
def test_answer_says_block_topic_and_claims(
    plain: Client, stream: Stream, fields: dict[str, object], said: tuple[object, ...]
) -> None:
    status = answer(plain, seat(stream, claims=CLAIMS, signals={}), **fields)

    verdict = Verdict.objects.get()
    assert status == 303
    assert (verdict.categories[0], verdict.block, verdict.off_topic, verdict.claims) == said


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"categories": []}, "Say whether the sources support it."),
        ({"block": "other"}, "“other” is no block of this sentence; choose one of those shown."),
        (
            {"claim_count": "2", "claim-0": "yes"},
            "Say of each claim whether it is supported, or of none.",
        ),
        (
            {"claim_count": "2", "claim-0": "yes", "claim-1": "no"},
            "A claim is not supported, so the sentence is not; answer “not supported”.",
        ),
        (
            {"kind": "ambiguous", "categories": ["supported", "not_supported"]},
            "A sentence is supported or it is not; choose one.",
        ),
    ],
)
def test_answer_that_does_not_hold_together_stays_on_the_page(
    htmx: Client, stream: Stream, fields: dict[str, object], message: str
) -> None:
    address = seat(stream, claims=CLAIMS, signals={})
    htmx.get(address)
    task = ReviewTask.objects.get(state="claimed")
    body = {"lease_token": task.lease_token, "block": "files#limits", "off_topic": "yes"}

    page = htmx.post(f"/tasks/{task.id}/verdict", body | SUPPORTED | fields)

    assert page.status_code == 422
    assert message in page.content.decode()
    assert re.search(r'name="off_topic"[^>]* checked', page.content.decode())
    assert not Verdict.objects.exists()


def test_undone_answer_is_shown_again(htmx: Client, stream: Stream) -> None:
    answer(htmx, seat(stream, claims=CLAIMS, signals={}), block="files#formats", off_topic="yes")

    page = htmx.post(f"/verdicts/{Verdict.objects.get().id}/undo").content.decode()

    checked = re.findall(r'name="([\w-]+)"[^>]* value="([^"]*)"[^>]* checked', page)
    assert checked == [
        ("block", "files#formats"),
        ("categories", "supported"),
        ("off_topic", "yes"),
    ]


def test_own_verdict_tells_by_which_block(plain: Client, stream: Stream) -> None:
    address = seat(stream, claims=CLAIMS, signals={})
    fields = {"claim_count": "2", "claim-0": "yes", "claim-1": "yes"}
    answer(plain, address, block="files#limits", off_topic="yes", **fields)

    page = text_of(plain.get(f"/verdicts/{Verdict.objects.get().id}/").content)

    assert "Supported by “Limits” · retrieval off topic · 2 of 2 claims supported" in page
    assert "Limits chosen cited" in page or "Limits cited chosen" in page


def test_own_blind_verdict_hides_the_scores_while_it_can_be_undone(
    plain: Client, stream: Stream
) -> None:
    answer(plain, seat(stream, blind=True), block="files#limits")

    page = text_of(plain.get(f"/verdicts/{Verdict.objects.get().id}/").content)

    assert "Limits chosen" in page
    assert "score 0.90" not in page
    assert "Amber" not in page


def test_adjudicator_sees_on_which_block_each_answer_rests(
    plain: Client, stream: Stream, reviewer: User
) -> None:
    Stream.objects.filter(id=stream.id).update(double_rate=1.0, bulk_label_rate=1.0)
    stream.refresh_from_db()
    other = Client()
    other.force_login(scenes.make_person("otto", stream, "reviewer"))
    judge = Client()
    judge.force_login(scenes.make_person("ada", stream, "adjudicator"))
    address = seat(stream)
    answer(plain, address, block="files#formats")
    answer(other, address, categories="not_supported", off_topic="yes")

    page = judge.get("/streams/drafts/adjudication/").content.decode()

    words = text_of(page.encode())
    assert "Supported by “files#formats” Take this" in words
    assert "Not supported retrieval off topic Take this" in words
    takes = sorted(re.findall(r'data-take-block="([^"]*)" data-take-claims=""( data-[\w-]+)', page))
    assert takes == [("", " data-take-off-topic"), ("files#formats", " data-key")]
    assert not re.search(r'name="(?:block|categories)"[^>]* checked', page)


def test_overturn_asks_for_the_block_too(plain: Client, stream: Stream) -> None:
    Stream.objects.filter(id=stream.id).update(undo_seconds=0)
    stream.refresh_from_db()
    answer(plain, seat(stream), categories="not_supported")
    address = f"/verdicts/{Verdict.objects.get().id}/overturn/"

    page = plain.get(address).content.decode()
    done = plain.post(address, SUPPORTED | {"block": "files#limits", "comment": "It does."})

    assert "Which source supports it?" in page
    assert "no_category_fits" not in page
    assert done.status_code == 303
    assert Verdict.objects.order_by("-id")[0].block == "files#limits"


def test_batch_shows_badge_and_cited_block(plain: Client, stream: Stream) -> None:
    post_sentence(stream, "s-1", sentence=TWELVE)
    post_sentence(stream, "s-2", blocks=BLOCKS[:1], signals=GREEN)
    ReviewTask.objects.update(due_at=timezone.now(), opened_at=timezone.now())

    page = text_of(plain.get("/streams/drafts/flagged/batch/?today=yes").content)

    assert "Limits A file of more than 10 MB is refused." in page
    assert re.search(
        r"Which source supports it\? Limits 3 cited score 0\.90 \d+ days old .* "
        r"files#formats 4 score 0\.50 no date CSV and JSONL are read\. No single one 0 ",
        page,
    )
    assert "72 % not calibrated Amber" in page
    assert "1 number of the sentence stands in no block" in page
    assert "No category fits" not in page.partition("Keys")[0]
    assert re.search(r"2 Not supported +L Leave it", page)


def test_row_of_the_batch_is_corrected_to_not_supported(plain: Client, stream: Stream) -> None:
    post_sentence(stream, "s-1")
    ReviewTask.objects.update(due_at=timezone.now())
    page = plain.get("/streams/drafts/flagged/batch/?today=yes").content.decode()
    found = re.search(r'name="lease_token" value="([^"]+)"', page)
    assert found is not None
    task = ReviewTask.objects.get()

    plain.post(
        "/streams/drafts/flagged/batch/confirm",
        {
            "lease_token": found[1],
            "row": str(task.id),
            f"answer-{task.id}": "is:not_supported",
            "today": "yes",
        },
    )

    assert [verdict.categories for verdict in Verdict.objects.all()] == [["not_supported"]]


BATCH = "/streams/drafts/flagged/batch/"


def open_table(client: Client, **fields: object) -> dict[str, list[str]]:
    """The form of a table of one amber sentence."""
    post_sentence(Stream.objects.get(), "s-1", **fields)
    ReviewTask.objects.update(due_at=timezone.now())
    return read_form(Client.get(client, f"{BATCH}?today=yes"), "batch")


def block_of(sent: dict[str, list[str]]) -> str:
    [name] = [each for each in sent if each.startswith("block-")]
    return name


def test_row_that_is_confirmed_says_that_the_cited_block_supports_it(
    plain: Client, stream: Stream
) -> None:
    sent = open_table(plain)

    plain.post(f"{BATCH}confirm", sent)

    assert sent[block_of(sent)] == ["files#limits"]
    verdict = Verdict.objects.get()
    assert (verdict.categories, verdict.block) == (["supported"], "files#limits")


@pytest.mark.parametrize("block", ["files#formats", ""])
def test_row_may_be_confirmed_by_another_block_or_by_none(
    plain: Client, stream: Stream, block: str
) -> None:
    sent = open_table(plain)

    plain.post(f"{BATCH}confirm", sent | {block_of(sent): [block]})

    assert Verdict.objects.get().block == block


def test_row_without_a_word_of_blocks_is_confirmed_by_the_cited_one(
    plain: Client, stream: Stream
) -> None:
    sent = open_table(plain)
    del sent[block_of(sent)]

    plain.post(f"{BATCH}confirm", sent)

    assert Verdict.objects.get().block == "files#limits"


def test_row_that_is_taken_out_names_no_block(plain: Client, stream: Stream) -> None:
    sent = open_table(plain)
    task = ReviewTask.objects.get()

    plain.post(f"{BATCH}confirm", sent | {"confirm": [], f"answer-{task.id}": ["is:not_supported"]})

    verdict = Verdict.objects.get()
    assert (verdict.categories, verdict.block) == (["not_supported"], "")


def test_block_of_another_sentence_is_refused_at_its_row(plain: Client, stream: Stream) -> None:
    sent = open_table(plain)

    answer = plain.post(f"{BATCH}confirm", sent | {block_of(sent): ["else"]})

    assert answer.status_code == 422
    assert "“else” is no block of this sentence; choose one of those shown." in text_of(
        answer.content
    )
    assert not Verdict.objects.exists()


def test_undone_table_comes_back_with_its_blocks(plain: Client, stream: Stream) -> None:
    sent = open_table(plain)
    plain.post(f"{BATCH}confirm", sent | {block_of(sent): ["files#formats"]})

    back = plain.post(f"{BATCH}{Verdict.objects.get().batch}/undo")

    again = read_form(back, "batch")
    assert (again["confirm"], again[block_of(sent)]) == (sent["confirm"], ["files#formats"])
    assert text_of(back.content).count("1 verdict taken back") == 1


def test_table_of_sentences_that_is_sent_twice_counts_once(plain: Client, stream: Stream) -> None:
    sent = open_table(plain)

    codes = [plain.post(f"{BATCH}confirm", sent).status_code for _ in range(2)]
    other = plain.post(f"{BATCH}confirm", sent | {block_of(sent): [""]})

    assert (codes, other.status_code) == ([303, 303], 409)
    assert Verdict.objects.get().block == "files#limits"


@pytest.mark.parametrize("rows", [1, 3])
def test_number_of_queries_of_a_table_of_sentences_is_constant(
    plain: Client, stream: Stream, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    plain.post(f"{BATCH}confirm", open_table(plain))  # the policy stays in memory
    for number in range(rows):
        post_sentence(stream, f"row-{number}")
    ReviewTask.objects.filter(state="open").update(due_at=timezone.now())
    with django_assert_num_queries(15):
        sent = read_form(Client.get(plain, f"{BATCH}?today=yes"), "batch")
    with django_assert_num_queries(17):
        plain.post(f"{BATCH}confirm", sent)
    assert Verdict.objects.filter(block="files#limits").count() == rows + 1


def test_row_by_itself_may_be_called_off_topic(plain: Client, stream: Stream) -> None:
    sent = open_table(plain)
    task = ReviewTask.objects.get()

    opened = plain.post(f"{BATCH}{task.id}/open", sent)
    form = read_form(plain.get(opened["Location"]), "answer")
    said = {"kind": "category", "categories": "not_supported", "off_topic": "on"}
    answered = plain.post(f"/tasks/{task.id}/verdict", form | said)

    assert answered["Location"] == BATCH
    verdict = Verdict.objects.get()
    assert (verdict.categories, verdict.off_topic) == (["not_supported"], True)
