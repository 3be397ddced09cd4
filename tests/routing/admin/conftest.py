"""Somebody at the admin's pages."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from reviewqueue.models import Membership
from routing.models import Stream

EDITS_POLICIES = ("add_policy", "change_policy", "view_policy", "publish_policy")


@pytest.fixture
def root_client(db: None) -> Client:
    """A superuser's browser."""
    return log_in(make_superuser())


def make_superuser() -> User:
    return User.objects.create_user("root", is_staff=True, is_superuser=True)


def make_staff(name: str, stream: Stream | None, *permissions: str) -> User:
    """Staff with these permissions who administers `stream`; with none, all that the role gives."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    if stream is not None:
        Membership.objects.create(user=user, stream=stream, role="stream_admin")
    return user


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
