"""What the role *stream admin* opens: the Django admin, with the rights that the role needs there.

The rights follow from the role, so that giving or taking it is all that there is to do, and holds
from the next request on. They reach the rows of the administered streams alone, which `InStream`
sees to. Whoever was given some of them by hand has those instead: so a stream admin is held to
less.
"""

from functools import cache
from typing import TYPE_CHECKING, Final

from django.apps import apps
from django.contrib.auth import get_permission_codename

from reviewqueue.models import Membership

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

OURS: Final = ("routing", "calibration", "reviewqueue")
VERBS: Final = ("add", "change", "delete", "view")
# Beyond a stream, or not to be taken back: a site admin gives these by hand, beside the role's.
GIVEN_BY_HAND: Final = frozenset(
    {
        "routing.add_stream",
        "routing.delete_stream",
        "routing.erase_item",
        "routing.lift_mandatory_review",
    }
)
# Where the answer of `administers_any` is kept, so that it is asked once.
_KNOWN: Final = "_administers_any"

# Of the row `person` of a statement.
ADMINISTERS_ANY: Final = """EXISTS (
    SELECT FROM reviewqueue_membership AS given
    WHERE given.user_id = person.id AND given.role = 'stream_admin')"""


@cache
def rights_of_role() -> frozenset[str]:
    """Names of the rights that a stream admin has in the admin, such as `routing.change_policy`."""
    found = set()
    for label in OURS:
        for model in apps.get_app_config(label).get_models():
            options = model._meta
            names = [get_permission_codename(verb, options) for verb in VERBS]
            names += [str(name) for name, _words in options.permissions]
            found |= {f"{label}.{name}" for name in names}
    return frozenset(found - GIVEN_BY_HAND)


def note_administers_any(user: "User", *, found: bool) -> None:
    """Keep for this object what the database said when it was read."""
    setattr(user, _KNOWN, found)


def administers_any(user: "User | AnonymousUser") -> bool:
    """Whether the user is the admin of some stream."""
    if not user.is_authenticated:
        return False
    if not hasattr(user, _KNOWN):
        held = Membership.objects.filter(user=user, role=Membership.Role.STREAM_ADMIN)
        setattr(user, _KNOWN, held.exists())
    return bool(getattr(user, _KNOWN))


def opens_admin(user: "User | AnonymousUser") -> bool:
    """Whether the Django admin opens to the user: staff, and who administers a stream."""
    return user.is_active and (user.is_staff or administers_any(user))


def widen_rights(user: "User", own: set[str]) -> set[str]:
    """What the user may do in the admin, where `own` was given by hand or by group."""
    if not user.is_active or not administers_any(user) or not own.isdisjoint(rights_of_role()):
        return own
    return own | rights_of_role()
