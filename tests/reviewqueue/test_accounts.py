"""Accounts through the house's directory: whom it lets in, whom not, and what it may change."""

import html
import io
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from reviewqueue.env import directory_config
from tests import codes, scenes
from tests.reviewqueue.directory import CLIENT_ID, CLIENT_SECRET, Directory, run_directory

LOG_IN = "/accounts/oidc/directory/login/"
RITA = {
    "sub": "17",
    "email": "Rita@example.org",
    "email_verified": True,
    "preferred_username": "rita.k",
    "given_name": "Rita",
}


@pytest.fixture
def directory(settings: Settings) -> Iterator[Directory]:
    with run_directory() as running:
        settings.OIDC_ISSUER = running.issuer
        settings.SOCIALACCOUNT_PROVIDERS = directory_config(
            issuer=running.issuer, client_id=CLIENT_ID, secret=CLIENT_SECRET, name="Example House"
        )
        running.person = dict(RITA)
        yield running


@pytest.fixture
def rita(db: None) -> User:
    person = scenes.make_person("rita")
    User.objects.update(email="rita@example.org")
    person.refresh_from_db()
    return person


def leave_for(client: Client, **fields: str) -> str:
    """Press the button; the address at the directory that the page leads to."""
    response = client.post(LOG_IN, fields)
    assert response.status_code == 200, response.content
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', response.content.decode())
    assert found is not None
    return html.unescape(found[1])


def come_back(client: Client, brought: dict[str, str]) -> tuple[int, str]:
    response = client.get(f"{LOG_IN}callback/", brought)
    return response.status_code, response.headers.get("Location", "")


def enter(client: Client, directory: Directory, **fields: str) -> tuple[int, str]:
    return come_back(client, directory.allow(leave_for(client, **fields)))


def who(client: Client) -> str:
    return str(client.get("/", follow=True).context["user"])


def test_verified_address_enters_its_account_and_is_known_by_id_from_then_on(
    directory: Directory, rita: User
) -> None:
    client = Client()
    assert enter(client, directory) == (302, "/")
    assert who(client) == "rita"
    rita.refresh_from_db()
    assert rita.check_password(scenes.PASSWORD)
    assert SocialAccount.objects.get().uid == "17"
    directory.person |= {"email": "rita.new@example.org"}
    again = Client()
    enter(again, directory)
    assert (who(again), User.objects.count()) == ("rita", 1)


def test_person_comes_back_to_the_page_they_asked_for(directory: Directory, rita: User) -> None:
    assert enter(Client(), directory, next="/streams/helpdesk/mine/") == (
        302,
        "/streams/helpdesk/mine/",
    )


def test_address_elsewhere_is_no_page_to_come_back_to(directory: Directory, rita: User) -> None:
    assert enter(Client(), directory, next="https://evil.example/") == (302, "/")


@pytest.mark.parametrize("verified", [False, "false", "true", None])
def test_address_that_is_not_verified_enters_nothing(
    directory: Directory, rita: User, verified: object
) -> None:
    directory.person["email_verified"] = verified
    client = Client()
    response = client.get(f"{LOG_IN}callback/", directory.allow(leave_for(client)))
    assert response.status_code == 403
    assert "No account here" in response.content.decode()
    assert who(client) == "AnonymousUser"
    assert SocialAccount.objects.count() == 0


def test_address_of_two_people_enters_neither(directory: Directory, rita: User) -> None:
    scenes.make_person("sam")
    User.objects.update(email="rita@example.org")
    assert enter(Client(), directory) == (403, "")


def test_stranger_gets_no_account_unless_the_directory_makes_them(
    directory: Directory, db: None, settings: Settings
) -> None:
    assert enter(Client(), directory) == (403, "")
    assert User.objects.count() == 0
    settings.OIDC_MAKES_ACCOUNTS = True
    client = Client()
    assert enter(client, directory) == (302, "/")
    made = User.objects.get()
    assert (made.username, made.first_name, made.email) == ("rita.k", "Rita", "rita@example.org")
    assert (made.is_staff, made.is_superuser, made.has_usable_password()) == (False, False, False)
    assert made.memberships.count() == 0


@pytest.mark.parametrize("verified", [True, False, "false"])
def test_account_that_the_directory_made_is_entered_again(
    directory: Directory, db: None, settings: Settings, verified: object
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    directory.person["email_verified"] = verified
    for _ in range(2):
        client = Client()
        assert enter(client, directory) == (302, "/")
        assert who(client) == "rita.k"
    assert User.objects.count() == 1


def test_unverified_address_is_kept_nowhere_and_its_owner_gets_an_account_of_their_own(
    directory: Directory, db: None, settings: Settings
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    directory.person["email_verified"] = False
    enter(Client(), directory)
    assert User.objects.get().email == ""
    assert EmailAddress.objects.count() == 0
    directory.person |= {"sub": "18", "preferred_username": "owner", "email_verified": True}
    client = Client()
    assert enter(client, directory) == (302, "/")
    assert who(client) == "owner"
    assert User.objects.get(username="owner").email == "rita@example.org"


@pytest.mark.parametrize("theirs", ["r\u0131tas@example.org", "rita\u017f@example.org"])
def test_letter_that_only_capitals_take_for_another_enters_nothing(
    directory: Directory, rita: User, settings: Settings, theirs: str
) -> None:
    User.objects.update(email=theirs.replace("\u0131", "i").replace("\u017f", "s"))
    settings.OIDC_MAKES_ACCOUNTS = True
    directory.person["email"] = theirs
    enter(Client(), directory)
    assert not SocialAccount.objects.filter(user=rita).exists()


def test_address_that_an_account_came_with_makes_no_second(
    directory: Directory, db: None, settings: Settings
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    enter(Client(), directory)
    User.objects.update(email="changed@example.org")
    directory.person |= {"sub": "18", "preferred_username": "other"}
    assert enter(Client(), directory) == (403, "")


def test_person_without_address_or_name_gets_an_account(
    directory: Directory, db: None, settings: Settings
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    scenes.make_person("rita.k")
    directory.person = {"sub": "19", "preferred_username": "rita.k"}
    client = Client()
    assert enter(client, directory) == (302, "/")
    assert who(client) not in ("rita.k", "AnonymousUser")


def test_unverified_address_of_somebody_else_makes_no_account(
    directory: Directory, rita: User, settings: Settings
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    directory.person["email_verified"] = False
    assert enter(Client(), directory) == (403, "")
    assert User.objects.count() == 1


def test_second_factor_is_asked_for_behind_the_directory_too(
    directory: Directory, rita: User
) -> None:
    first = Client()
    codes.sign_in(first, "rita", scenes.PASSWORD)
    codes.turn_on(first)
    client = Client()
    assert enter(client, directory) == (302, "/accounts/2fa/authenticate/")
    assert client.get("/").status_code == 302


def test_closed_account_stays_closed(directory: Directory, rita: User) -> None:
    User.objects.update(is_active=False)
    client = Client()
    assert enter(client, directory) == (302, "/accounts/inactive/")
    assert who(client) == "AnonymousUser"


def test_answer_of_another_browser_is_refused(directory: Directory, rita: User) -> None:
    brought = directory.allow(leave_for(Client()))
    client = Client()
    assert come_back(client, brought) == (401, "")
    assert who(client) == "AnonymousUser"


def test_code_counts_once(directory: Directory, rita: User) -> None:
    client = Client()
    brought = directory.allow(leave_for(client))
    assert come_back(client, brought) == (302, "/")
    assert come_back(client, brought)[0] == 401


def test_person_who_says_no_is_told_that_nothing_changed(directory: Directory, rita: User) -> None:
    client = Client()
    state = directory.allow(leave_for(client))["state"]
    response = client.get(f"{LOG_IN}callback/", {"error": "access_denied", "state": state})
    assert response.headers["Location"] == "/accounts/oidc/cancelled/"
    assert client.get("/accounts/oidc/cancelled/").status_code == 200


def test_directory_that_is_away_is_told(directory: Directory, rita: User) -> None:
    directory.is_broken = True
    response = Client().post(LOG_IN)
    assert response.status_code == 401
    assert "could not be reached" in response.content.decode()


def test_log_in_page_names_the_directory(directory: Directory, db: None) -> None:
    page = Client().get("/accounts/login/").content.decode()
    assert "Sign in with Example House" in page
    assert f'action="{LOG_IN}"' in page


def test_nothing_of_it_is_there_while_no_directory_is_named(db: None) -> None:
    client = Client()
    assert "Sign in with" not in client.get("/accounts/login/").content.decode()
    assert client.post(LOG_IN).status_code == 404
    assert client.get(f"{LOG_IN}callback/").status_code == 404
    assert client.get(LOG_IN).status_code == 405


def test_person_without_a_password_changes_none(
    directory: Directory, db: None, settings: Settings
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    client = Client()
    enter(client, directory)
    page = client.get("/accounts/").content.decode()
    assert "you sign in with Example House" in page
    assert client.get("/accounts/password/change/").status_code == 404
    codes.turn_on(client)


@pytest.mark.parametrize("method", ["get", "post"])
def test_person_without_a_password_signs_in_again_before_a_second_factor(
    directory: Directory, db: None, settings: Settings, method: str
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    client = Client()
    enter(client, directory)
    key = client.session.session_key
    address = "/accounts/2fa/totp/activate/"
    response = getattr(client, method)(address, follow=True)
    assert response.redirect_chain == [(f"/accounts/login/?next={quote(address, safe='')}", 302)]
    assert "This takes a fresh sign-in." in response.content.decode()
    assert not Session.objects.filter(session_key=key).exists()
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
    assert enter(client, directory, next=address) == (302, address)
    codes.turn_on(client)


def test_person_without_a_password_is_asked_for_a_code_where_there_is_one(
    directory: Directory, db: None, settings: Settings
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = True
    client = Client()
    enter(client, directory)
    codes.turn_on(client)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    response = client.get("/accounts/2fa/recovery-codes/")
    assert response.headers["Location"].startswith("/accounts/2fa/reauthenticate/?next=")


def make_person_of_directory(name: str, *, verified: bool | None) -> User:
    """As the directory made them; None where allauth kept nothing beside the account."""
    person = User.objects.create(username=name, email=f"{name}@example.org", password="!x")
    SocialAccount.objects.create(user=person, provider="directory", uid=name)
    if verified is not None:
        EmailAddress.objects.create(user=person, email=person.email.title(), verified=verified)
    return person


def run_command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("unverified_addresses", *arguments, stdout=out)
    return out.getvalue()


def test_addresses_kept_unverified_are_listed_and_forgotten(
    rita: User, caplog: pytest.LogCaptureFixture
) -> None:
    SocialAccount.objects.create(user=rita, provider="directory", uid="17")
    for name, verified in (("ann", True), ("bob", False), ("cy", None), ("dee", False)):
        make_person_of_directory(name, verified=verified)
    assert run_command() == "bob: bob@example.org\ncy: cy@example.org\ndee: dee@example.org\n"
    assert run_command("--forget", "dee", "ann") == "1 address was forgotten\n"
    assert run_command("--forget") == "2 addresses were forgotten\n"
    assert (run_command(), run_command("--forget")) == ("", "0 addresses were forgotten\n")
    left = User.objects.exclude(email="").values_list("username", flat=True)
    assert sorted(left) == ["ann", "rita"]
    assert EmailAddress.objects.get().user.username == "ann"
    assert SocialAccount.objects.count() == 5
    assert "unverified address of bob forgotten" in caplog.text
    assert "bob@example.org" not in caplog.text
