"""The stream that a command line names."""

from django.core.management.base import CommandError

from routing.models import Stream


def find_stream(key: str, *, returncode: int = 1, besides: str = "") -> Stream:
    """The stream with this key.

    Raises `CommandError`, which lists those that there are and says what one can do `besides`.
    """
    found = Stream.objects.filter(key=key).first()
    if found is None:
        raise no_stream(key, returncode=returncode, besides=besides)
    return found


def no_stream(key: str, *, returncode: int = 1, besides: str = "") -> CommandError:
    """What a command says of a key that no stream has."""
    known = ", ".join(Stream.objects.order_by("key").values_list("key", flat=True)) or "none yet"
    return CommandError(
        f"There is no stream {key!r}; the streams are: {known}.{besides}", returncode=returncode
    )
