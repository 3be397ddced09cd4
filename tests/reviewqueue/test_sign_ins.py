"""The log of sign-ins: who came and who failed, and never a secret."""

import logging

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from tests import codes, scenes

LOG_IN = "/accounts/login/"
HERE = "127.0.0.1"


@pytest.fixture
def rita(db: None) -> User:
    return scenes.make_person("rita")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "reviewqueue.sign_ins")
    return caplog


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [
        f"{record.levelname} {record.getMessage()}"
        for record in log.records
        if record.name == "reviewqueue.sign_ins"
    ]


def test_coming_and_going_are_logged(rita: User, log: pytest.LogCaptureFixture) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    client.post("/accounts/logout/")
    assert lines(log) == [f"INFO signed in: rita from {HERE}", f"INFO signed out: rita from {HERE}"]


def test_wrong_password_is_logged_without_it(rita: User, log: pytest.LogCaptureFixture) -> None:
    codes.sign_in(Client(), "rita", "a guess")
    assert lines(log) == [f"WARNING wrong password: rita from {HERE}"]
    assert "a guess" not in log.text


def test_name_that_nobody_has_may_be_a_password(rita: User, log: pytest.LogCaptureFixture) -> None:
    codes.sign_in(Client(), scenes.PASSWORD, "rita")
    assert lines(log) == [f"WARNING wrong password: an unknown name from {HERE}"]
    assert scenes.PASSWORD not in log.text


def test_lock_out_is_logged(rita: User, log: pytest.LogCaptureFixture) -> None:
    for _ in range(6):
        codes.sign_in(Client(), "rita", "a guess")
    assert lines(log)[-1] == f"WARNING locked out: rita from {HERE}"


@pytest.mark.django_db(transaction=True)  # told once it is stored
def test_second_factor_is_logged_without_its_codes(
    rita: User, log: pytest.LogCaptureFixture
) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    log.clear()
    secret = codes.turn_on(client)
    client.post("/accounts/2fa/recovery-codes/generate/")
    other = Client()
    codes.sign_in(other, "rita", scenes.PASSWORD)
    wrong = codes.wrong_code(secret)
    other.post("/accounts/2fa/authenticate/", {"code": wrong})
    client.post("/accounts/2fa/totp/deactivate/")
    assert [line.partition(" ")[2].partition(":")[0] for line in lines(log)] == [
        "totp on",
        "recovery_codes on",
        "recovery_codes made anew",
        "wrong code",
        "totp off",
        "recovery_codes off",
    ]
    assert secret not in log.text
    assert wrong not in log.text


def test_changed_password_is_logged(rita: User, log: pytest.LogCaptureFixture) -> None:
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    client.post(
        "/accounts/password/change/",
        {
            "oldpassword": scenes.PASSWORD,
            "password1": "blue-mountain-9",
            "password2": "blue-mountain-9",
        },
    )
    assert lines(log)[-1] == f"INFO password changed: rita from {HERE}"
    assert "blue-mountain" not in log.text


def test_address_is_that_in_front_of_our_proxies(
    rita: User, log: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    forwarded = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    codes.sign_in(Client(headers=forwarded), "rita", scenes.PASSWORD)
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 0
    codes.sign_in(Client(headers=forwarded), "rita", scenes.PASSWORD)
    assert lines(log) == [
        "INFO signed in: rita from 203.0.113.9",
        f"INFO signed in: rita from {HERE}",
    ]


def attempts(client: Client, names: list[str]) -> list[str]:
    """What the page says to each wrong password."""
    said = []
    for name in names:
        response = client.post(LOG_IN, {"login": name, "password": "a guess"})
        errors = response.context["form"].non_field_errors() if response.context else ["429"]
        said.append(str(errors[0]))
    return said


def test_page_says_the_same_of_a_name_that_nobody_has(rita: User) -> None:
    assert attempts(Client(), ["rita"] * 6) == attempts(
        Client(REMOTE_ADDR="198.51.100.7"), ["nobody"] * 6
    )


def test_closed_account_says_so_only_to_whoever_knows_the_password(rita: User) -> None:
    User.objects.update(is_active=False)
    wrong = Client().post(LOG_IN, {"login": "rita", "password": "a guess"})
    assert wrong.status_code == 200
    unknown = Client().post(LOG_IN, {"login": "nobody", "password": "a guess"})
    assert wrong.context["form"].errors == unknown.context["form"].errors
    assert codes.sign_in(Client(), "rita", scenes.PASSWORD) == "/accounts/inactive/"


def test_account_is_locked_for_guesses_from_anywhere_and_lets_in_afterwards(
    rita: User, settings: Settings
) -> None:
    for last in range(5):
        attempts(Client(REMOTE_ADDR=f"198.51.100.{last}"), ["rita"])
    assert codes.sign_in(Client(), "rita", scenes.PASSWORD) == ""
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {
        "login_failed": "10/m/ip,6/5m/key"
    }
    assert codes.sign_in(Client(), "rita", scenes.PASSWORD) == "/"


def test_address_is_locked_for_guesses_at_many_names(rita: User) -> None:
    said = attempts(Client(), [f"name{number}" for number in range(11)])
    assert said[10] != said[9]
    assert codes.sign_in(Client(), "rita", scenes.PASSWORD) == ""
    assert codes.sign_in(Client(REMOTE_ADDR="198.51.100.7"), "rita", scenes.PASSWORD) == "/"


def test_asking_without_end_answers_429(rita: User, log: pytest.LogCaptureFixture) -> None:
    client = Client()
    for _ in range(30):
        client.post(LOG_IN, {})
    response = client.post(LOG_IN, {})
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert "Too many tries" in response.content.decode()
    assert lines(log) == [f"WARNING too many requests for {LOG_IN} from {HERE}"]


def test_password_is_asked_for_again_and_guesses_are_counted(
    rita: User, settings: Settings
) -> None:
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    client = Client()
    codes.sign_in(client, "rita", scenes.PASSWORD)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    statuses = [
        client.post("/accounts/reauthenticate/", {"password": "a guess"}).status_code
        for _ in range(11)
    ]
    assert statuses == [*[200] * 10, 429]
