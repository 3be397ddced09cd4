"""Files of items on a stream's page: whose they are, what is told, and what is refused."""

import json
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from pytest_django import DjangoAssertNumQueries

from calibration.models import GroundTruth
from routing.models import Event, Item, Stream
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import HELD, make_bare_stream, make_stream, post, post_blind

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

FORM_QUERIES = 5
LINES = [
    {"external_id": "a", "text": "x", "scores": HELD, "truth": "vpn_issue"},
    {"external_id": "b", "text": "x", "scores": {"vpn": 0.9}, "truth": "vpn_issue"},
]


@pytest.fixture
def stream(db: None) -> Stream:
    return make_stream()


@pytest.fixture
def client(stream: Stream) -> Client:
    return log_in(make_staff("ada", stream, "change_stream", "view_stream"))


def path(stream: Stream, page: str = "import") -> str:
    return f"/admin/routing/stream/{stream.id}/{page}/"


def lines(*items: object) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in items).encode()


def send(
    client: Client, stream: Stream, content: bytes, name: str = "items.jsonl", **fields: str
) -> "Response":
    return client.post(path(stream), {"file": SimpleUploadedFile(name, content), **fields})


def test_file_is_taken_in_and_the_rest_told(client: Client, stream: Stream) -> None:
    response = send(client, stream, lines(*LINES))
    assert response.status_code == 200
    done = response.context["done"]
    assert (done.counts.taken, done.counts.known, done.counts.refused) == (1, 0, 1)
    assert done.refusals[0].startswith("line 2, scores.vpn: ")
    assert not done.is_cut
    assert done.refusals[0].split(": ")[1][:20] in response.content.decode()
    assert Item.objects.get().external_id == "a"
    event = Event.objects.get(kind="stream.imported")
    assert (event.subject_id, event.data) == (stream.id, {"taken": 1})
    again = send(client, stream, lines(LINES[0])).context["done"].counts
    assert (again.taken, again.known, again.refused) == (0, 1, 0)


def test_refused_items_come_back_as_a_file(client: Client, stream: Stream) -> None:
    done = send(client, stream, lines(*LINES)).context["done"]
    sent = {"content": done.refused_file, "ending": done.ending}
    response = client.post(path(stream, "import/refused"), sent)
    assert response.content == b64decode(done.refused_file)
    assert response["Content-Disposition"] == 'attachment; filename="refused.jsonl"'
    mended = response.content.replace(b'"vpn"', b'"vpn_issue"')
    assert send(client, stream, mended).context["done"].counts.taken == 1
    assert list(Item.objects.order_by("external_id").values_list("external_id", flat=True)) == [
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    "sent", [{}, {"content": "?", "ending": "csv"}, {"content": "eA==", "ending": "html"}]
)
def test_refused_items_that_are_none(client: Client, stream: Stream, sent: dict[str, str]) -> None:
    assert client.post(path(stream, "import/refused"), sent).status_code == 400


def test_csv_and_truth_are_taken_in(client: Client, stream: Stream) -> None:
    content = b"external_id,body,score.vpn_issue,truth\n7,x,0.9,vpn_issue\n"
    done = send(client, stream, content, "t.csv", text="body", with_truth="on").context["done"]
    assert (done.counts.taken, done.refusals) == (1, ())
    assert Item.objects.get().payload == {"text": "x"}
    assert GroundTruth.objects.get().categories == ["vpn_issue"]


def test_columns_of_other_names_are_told(client: Client, stream: Stream) -> None:
    content = b"ticket,note,site,junk,score.vpn_issue\n7,x,Rome,?,0.9\n"
    columns = "ticket = external_id\r\n\r\nsite=metadata.city\r\njunk="
    done = send(client, stream, content, "t.csv", text="note", columns=columns).context["done"]
    assert (done.counts.taken, done.refusals) == (1, ())
    item = Item.objects.get()
    assert (item.external_id, item.payload, item.metadata) == ("7", {"text": "x"}, {"city": "Rome"})
    response = send(client, stream, content, "t.csv", columns="ticket")
    assert response.status_code == 422
    assert "ticket: write NAME=FIELD, such as body=payload.body." in response.content.decode()


def test_refusals_stand_in_the_order_of_the_file(client: Client, stream: Stream) -> None:
    bad = {"external_id": "b", "text": "x", "scores": {"vpn": 0.9}}
    content = lines(bad) + b"no json\n" + lines(LINES[0], bad)
    done = send(client, stream, content).context["done"]
    assert [told.split(",")[0].split(":")[0] for told in done.refusals] == [
        "line 1",
        "line 2",
        "line 4",
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"external_id,body,score.a\n", "Column &#x27;body&#x27; is no field of an item"),
        ("a.jsonl", b"\x1f\x8b\x08", "The file is zipped; unzip it, or use import_items."),
        ("pic.png", b"\x89PNG\r\n\x1a\n\0", "The file is no text in UTF-8; save it as JSON lines"),
        ("a.jsonl", b"\xff\xfe{\0}\0", "The file is no text in UTF-8"),
        ("a.jsonl", b"", "The submitted file is empty."),
        ("a.jsonl", b"x" * 101, "at most 100\xa0bytes are taken here; use import_items."),
    ],
)
def test_file_that_cannot_be_taken_says_why(
    client: Client, stream: Stream, name: str, content: bytes, words: str
) -> None:
    with override_settings(IMPORT_MAX_BYTES=100):
        response = send(client, stream, content, name)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Event.objects.filter(kind="stream.imported").exists()


def test_import_without_a_policy_says_so(db: None) -> None:
    bare = make_bare_stream()
    response = send(log_in(make_superuser()), bare, lines(LINES[0]))
    assert response.status_code == 422
    assert "has no published policy" in response.content.decode()


def test_export_is_streamed_and_leaves_blind_answers_out(client: Client, stream: Stream) -> None:
    post(stream, "seen")
    post_blind(stream, "blind")
    response = client.post(path(stream, "export"), {"format": "jsonl"})
    assert (response.status_code, response.streaming) == (200, True)
    assert response["Content-Type"] == "application/x-ndjson"
    assert response["Content-Disposition"].startswith('attachment; filename="helpdesk-2')
    found = [json.loads(line) for line in response.getvalue().splitlines()]
    assert [(line["external_id"], line["scores"]) for line in found] == [
        ("seen", HELD),
        ("blind", None),
    ]
    event = Event.objects.get(kind="stream.exported")
    assert event.data == {"format": "jsonl", "state": ""}


@pytest.mark.parametrize(
    ("name", "ending", "begins"),
    [("csv", "csv", b'"external_id",'), ("label-studio", "json", b'[\n{"data": ')],
)
def test_export_in_other_formats(
    client: Client, stream: Stream, name: str, ending: str, begins: bytes
) -> None:
    post(stream, "seen")
    response = client.post(path(stream, "export"), {"format": name, "since": "2020-01-01"})
    assert response.getvalue().startswith(begins)
    assert response["Content-Disposition"].endswith(f'.{ending}"')


def test_export_of_an_unknown_format_says_so(client: Client, stream: Stream) -> None:
    response = client.post(path(stream, "export"), {"format": "xlsx", "since": "soon"})
    assert response.status_code == 422
    assert sorted(response.context["form"].errors) == ["format", "since"]


@pytest.mark.parametrize("end", ["import", "export"])
def test_form_is_shown_at_a_constant_cost(
    client: Client, stream: Stream, django_assert_num_queries: DjangoAssertNumQueries, end: str
) -> None:
    post(stream, "a")
    client.get(path(stream, end))
    for number in range(2):
        with django_assert_num_queries(FORM_QUERIES):
            assert client.get(path(stream, end)).status_code == 200
        post(stream, f"b{number}")
    page_of_stream = client.get(path(stream, "change")).content.decode()
    assert path(stream, end) in page_of_stream


@pytest.mark.parametrize("end", ["import", "export", "import/refused"])
def test_files_are_for_those_who_administer_the_stream(stream: Stream, end: str) -> None:
    where = path(stream, end)
    anonymous = Client().post(where)
    assert (anonymous.status_code, "login" in anonymous["Location"]) == (302, True)
    permissions = ("change_stream", "view_stream")
    foreign = log_in(make_staff("bo", make_bare_stream("other"), *permissions))
    assert foreign.post(where).status_code == 404
    assert log_in(make_staff("cy", stream, "view_jobrun")).post(where).status_code == 403
    own = log_in(make_staff("di", stream, *permissions))
    assert own.put(where).status_code == 405
    assert own.get(where).status_code == (405 if end == "import/refused" else 200)


def test_whoever_only_views_a_stream_exports_and_does_not_import(stream: Stream) -> None:
    viewer = log_in(make_staff("vi", stream, "view_stream"))
    assert viewer.get(path(stream)).status_code == 403
    assert viewer.get(path(stream, "export")).status_code == 200
    page = viewer.get(path(stream, "change")).content.decode()
    assert (path(stream) in page, path(stream, "export") in page) == (False, True)
