"""Cells that no spreadsheet takes for a formula, and back.

A program that opens a CSV computes what starts with = + - @, tab or a line break, which lets a
payload run commands on an admin's machine (OWASP, CSV injection). An apostrophe before it makes it
text. Cells that have such an apostrophe already get one more, so that reading is exact.
"""

import re
from typing import Final

# The last four are the wide forms, which a Japanese spreadsheet reads alike.
_HARMFUL: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NEUTRALISED: Final = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def neutralise(text: str) -> str:
    """The text as a cell."""
    return f"'{text}" if _HARMFUL.match(text) else text


def restore(cell: str) -> str:
    """The text that `neutralise` made the cell of; other cells stay as they are."""
    return cell[1:] if _NEUTRALISED.match(cell) else cell
