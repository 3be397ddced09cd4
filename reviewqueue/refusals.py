"""Why something that came from outside is refused: the place, the value and what to do."""

import json
from collections.abc import Mapping
from typing import Final

SHOWN_LENGTH: Final = 200


class ProblemError(Exception):
    """An item or a request that is refused, by an API's caller or in a file.

    `members` stand beside the detail in the document that is answered, for programs to read.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        value: object = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.value = value
        self.members = dict(members or {})


def shown(value: object) -> str:
    """A value as it stands in a message: text as it is, else JSON, cut to a readable length."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\u0000")
    return cut(text, SHOWN_LENGTH)


def cut(text: str, length: int) -> str:
    """The text, at most so many characters and a dot-dot-dot."""
    return text if len(text) <= length else f"{text[:length]}…"
