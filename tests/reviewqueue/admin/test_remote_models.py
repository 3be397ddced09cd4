"""Remote models in the admin: the token is never shown, and a button tries the model."""

from collections.abc import Iterator

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from pytest_django import Settings

from routing.models import Event, RemoteModel, Stream
from tests.forms import send_form
from tests.reviewqueue.model_server import ModelServer, run_model, says, sends
from tests.routing.admin.conftest import log_in, make_staff, make_superuser
from tests.scenes import make_bare_stream, post, publish

LIST = "/admin/routing/remotemodel/"


@pytest.fixture
def client(db: None) -> Client:
    return log_in(make_superuser())


@pytest.fixture
def server(settings: Settings) -> Iterator[ModelServer]:
    settings.ALLOW_PRIVATE_ADDRESSES = True
    with run_model() as running:
        yield running


def make_model(stream: Stream, url: str = "https://second.example/classify") -> RemoteModel:
    return RemoteModel.objects.create(stream=stream, name="second", url=url, token="hush-hush")


def change_path(model: RemoteModel) -> str:
    return f"{LIST}{model.id}/change/"


def try_it(client: Client, model: RemoteModel) -> str:
    """What the admin is told last."""
    response = client.post(f"{LIST}{model.id}/try/")
    assert response.status_code == 302
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


def test_token_is_written_kept_and_never_shown(client: Client, stream: Stream) -> None:
    fields = {"stream": str(stream.id), "name": "second", "url": "https://second.example/"}
    response = send_form(client, f"{LIST}add/", "remotemodel_form", **fields, new_token="hush-hush")
    assert response.status_code == 302
    model = RemoteModel.objects.get()
    assert (model.token, model.timeout_seconds) == ("hush-hush", 10.0)
    send_form(client, change_path(model), "remotemodel_form", timeout_seconds="3")
    model.refresh_from_db()
    assert (model.token, model.timeout_seconds) == ("hush-hush", 3.0)
    for path in (LIST, change_path(model), f"{LIST}{model.id}/history/"):
        assert "hush-hush" not in client.get(path).content.decode()
    logged = [event.data for event in Event.objects.order_by("id") if "changes" in event.data]
    assert "hush-hush" not in str(logged)
    assert logged[0]["changes"]["new_token"] == [None, "set"]


@pytest.mark.parametrize("url", ["ftp://second.example/", "javascript:alert(1)", "https://"])
def test_address_must_be_http(client: Client, stream: Stream, url: str) -> None:
    fields = {"stream": str(stream.id), "name": "second", "url": url}
    response = send_form(client, f"{LIST}add/", "remotemodel_form", **fields)
    assert response.status_code == 200
    assert not RemoteModel.objects.exists()


def test_address_with_a_password_is_refused(client: Client, stream: Stream) -> None:
    url = "https://us:secret@second.example/"
    fields = {"stream": str(stream.id), "name": "second", "url": url}
    response = send_form(client, f"{LIST}add/", "remotemodel_form", **fields)
    assert response.status_code == 200
    assert "what the model asks for is its token." in response.content.decode()
    assert not RemoteModel.objects.exists()


def test_model_that_a_policy_asks_stays(client: Client, stream: Stream) -> None:
    model = make_model(stream)
    publish(stream, fallback_steps=["remote"], remote_model=model)
    assert client.post(f"{LIST}{model.id}/delete/", {"post": "yes"}).status_code == 403
    page = client.get(change_path(model)).content.decode()
    assert 'name="name"' not in page
    assert 'name="url"' in page


def test_removal_is_in_the_log(client: Client, stream: Stream) -> None:
    model = make_model(stream)
    assert client.post(f"{LIST}{model.id}/delete/", {"post": "yes"}).status_code == 302
    event = Event.objects.get(kind="remotemodel.deleted")
    assert (event.stream, event.subject_id, event.data) == (stream, model.id, {"was": str(model)})


def test_trying_says_what_the_model_answers(
    client: Client, stream: Stream, server: ModelServer
) -> None:
    model = make_model(stream, server.url)
    assert try_it(client, model) == "The stream has no item to ask about yet; post one."
    post(stream, "HD-1")
    server.answer = says({"vpn_issue": 0.7, "account_unlock": 0.3})
    assert try_it(client, model) == "Asked about HD-1, it says vpn_issue at 0.70."
    assert server.asked[0][0]["Authorization"] == "Bearer hush-hush"
    server.answer = says({"weather": 0.7})
    assert try_it(client, model) == "Asked about HD-1: it scores no category of this stream."
    server.answer = sends(b"", status=503)
    assert try_it(client, model) == "Asked about HD-1: it answered 503."


def test_trying_asks_about_nothing_that_is_to_be_judged_blind(
    client: Client, stream: Stream, server: ModelServer
) -> None:
    model = make_model(stream, server.url)
    post(stream, "HD-1")
    Stream.objects.update(blind_rate=1.0)
    stream.refresh_from_db()
    post(stream, "HD-2")
    server.answer = says({"vpn_issue": 0.7, "account_unlock": 0.3})
    assert try_it(client, model) == "Asked about HD-1, it says vpn_issue at 0.70."


def test_trying_a_private_address_is_refused(client: Client, stream: Stream) -> None:
    post(stream, "HD-1")
    with run_model() as server:
        text = try_it(client, make_model(stream, server.url))
        assert server.asked == []
    assert "its address is private" in text


def test_others_models_are_not_to_be_seen(stream: Stream, server: ModelServer) -> None:
    other = make_bare_stream("other")
    model = make_model(stream, server.url)
    rights = [f"{verb}_remotemodel" for verb in ("view", "change", "add")]
    stranger = log_in(make_staff("olga", other, *rights))
    assert "second.example" not in stranger.get(LIST).content.decode()
    assert stranger.post(f"{LIST}{model.id}/try/").status_code == 404
    reader = log_in(make_staff("ron", stream, "view_remotemodel"))
    assert reader.get(change_path(model)).status_code == 200
    assert reader.post(f"{LIST}{model.id}/try/").status_code == 403
    assert log_in(make_staff("eve", stream, "view_jobrun")).get(LIST).status_code == 403
    assert Client().post(f"{LIST}{model.id}/try/").status_code == 302
    admin = log_in(make_staff("ann", stream, *rights))
    assert admin.get(f"{LIST}{model.id}/try/").status_code == 405
    assert server.asked == []
