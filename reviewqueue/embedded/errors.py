"""What the embedded services raise."""


class ServicesError(Exception):
    """The embedded PostgreSQL or Valkey cannot serve; the message says what to do about it."""
