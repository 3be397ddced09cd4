"""The stream that a command line names."""

from django.core.management.base import CommandError

from routing.models import Stream


def find_stream(key: str, *, returncode: int = 1) -> Stream:
    """The stream with this key. Raises `CommandError`, which lists those that there are."""
    found = Stream.objects.filter(key=key).first()
    if found is None:
        known = ", ".join(Stream.objects.values_list("key", flat=True)) or "none yet"
        raise CommandError(
            f"There is no stream {key!r}; the streams are: {known}.", returncode=returncode
        )
    return found
