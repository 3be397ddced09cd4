"""Regular expressions: none is of a stranger's making, none takes long whatever it reads."""

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from calibration.core.likeness import text_likeness
from reviewqueue.access import find_api_key
from reviewqueue.addresses import is_picture, read_address
from reviewqueue.admin.layout_rows import HostsField
from reviewqueue.blocks import clean_html
from reviewqueue.embedded.processes import PROJECT
from reviewqueue.files.cells import neutralise, restore
from reviewqueue.files.columns import read_row
from reviewqueue.files.json_objects import _MARK, _REST_OF_TEXT
from reviewqueue.files.jsonl import strip_note
from reviewqueue.files.tables import _FIRST_CELL
from reviewqueue.logs import without_quotes
from reviewqueue.marks import choose_passage, find_marks
from reviewqueue.neighbours import _TAG
from reviewqueue.outcomes import CursorError, _read_cursor
from reviewqueue.prose import fold, label_of
from reviewqueue.refusals import ProblemError
from reviewqueue.request_log import WELL_FORMED
from reviewqueue.strict_json import skip_blanks
from routing.core.numbers import find_unsupported
from routing.models.streams import HOST_PATTERN, KEY_PATTERN
from tests.processor import spend

EXPRESSIONS = {
    *("compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"),
}


def first_cell(text: str) -> str:
    return re.sub(_FIRST_CELL.format(","), "", f'"{text}', count=1)


# Read by these functions: what upstream posts, what files hold, what people type.
STRANGERS_TEXT: dict[str, Callable[[str], object]] = {
    "calibration.core.likeness._WORD": lambda text: text_likeness(text, [text]),
    "reviewqueue.access.KEY_PATTERN": lambda text: find_api_key(f"rq_{text}"),
    "reviewqueue.addresses._ADDRESS": lambda text: read_address(f"https://{text}"),
    "reviewqueue.admin.layout_rows.to_python": lambda text: HostsField().to_python(text),
    "reviewqueue.blocks._filter_attribute": lambda text: clean_html(
        f'<table><td colspan="{text}">{text}</td></table>{text}'
    ),
    "reviewqueue.files.cells._HARMFUL": neutralise,
    "reviewqueue.files.cells._NEUTRALISED": restore,
    "reviewqueue.files.columns._NUMBER": lambda text: read_row(["score.a"], [text]),
    "reviewqueue.files.columns._WHOLE": lambda text: read_row(["priority"], [text]),
    "reviewqueue.files.json_objects._MARK": _MARK.findall,
    "reviewqueue.files.json_objects._REST_OF_TEXT": _REST_OF_TEXT.match,
    "reviewqueue.files.jsonl._NOTE": lambda text: strip_note(
        b'{"import_error": "' + text.encode() + b'"'
    ),
    "reviewqueue.files.tables._FIRST_CELL": first_cell,
    "reviewqueue.logs._QUOTES": lambda text: without_quotes(f"duplicate key{text}"),
    "reviewqueue.marks._WORD": lambda text: find_marks(text, sentence=text),
    "reviewqueue.marks._to_word": lambda text: choose_passage(text, find_marks(text, sentence="a")),
    "reviewqueue.neighbours._TAG": lambda text: _TAG.sub(" ", text),
    "reviewqueue.outcomes._CURSOR": lambda text: _read_cursor(f"o{text}"),
    "reviewqueue.prose._PARAGRAPHS": lambda text: fold(f"\n{text}"),
    "reviewqueue.prose.label_of": label_of,
    "reviewqueue.request_log.WELL_FORMED": WELL_FORMED.fullmatch,
    "reviewqueue.strict_json._BLANKS": lambda text: skip_blanks(text, 0),
    "reviewqueue.trees.DATA_IMAGE": lambda text: is_picture(f"data:image/png;base64,{text}", ()),
    "routing.core.numbers._TOKEN": lambda text: find_unsupported(text, [text]),
    "routing.core.numbers._read_days": lambda text: find_unsupported(f"3 May {text}", [text]),
    "routing.core.numbers._read_amount": lambda text: find_unsupported(f"$ {text}", [text]),
    "routing.models.streams.KEY_PATTERN": KEY_PATTERN,
    "routing.models.streams.HOST_PATTERN": HOST_PATTERN,
}
# Read only what we wrote ourselves: our documentation, our charts, an engine's version.
OWN_TEXT = (
    "reviewqueue.demo.entailment.",
    "reviewqueue.demo.passages.",
    "reviewqueue.embedded.",
    "reviewqueue.insight.drawing.",
    "reviewqueue.templatetags.frames._HOLE",
)
PIECES = (
    *("a", "1", "0", " ", "\n", "\t", "<", ">", "'", '"', "\\", "=", "-", ".", ",", "/", ":", "é"),
    *("1,", "1.", "a.", "a-", "''", '""', '\\"', "\n ", "\n\t", "<a", "1e", "3 May ", "$1 ", "a\n"),
)


def expressions() -> Iterator[tuple[str, ast.expr]]:
    """The name of what every call of `re` stands in, and the expression that it is given."""
    for package in ("routing", "calibration", "reviewqueue"):
        for path in sorted((PROJECT / package).rglob("*.py")):
            module = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
            yield from ((f"{module}.{name}", given) for name, given in calls_in(path))


def calls_in(path: Path) -> Iterator[tuple[str, ast.expr]]:
    def walk(node: ast.AST, place: str) -> Iterator[tuple[str, ast.expr]]:
        for child in ast.iter_child_nodes(node):
            inside = place
            if isinstance(child, ast.FunctionDef):
                inside = child.name
            elif isinstance(child, ast.Assign | ast.AnnAssign) and not place:
                target = child.targets[0] if isinstance(child, ast.Assign) else child.target
                inside = ast.unparse(target)
            if isinstance(child, ast.Call):
                called = ast.unparse(child.func)
                library, _dot, name = called.partition(".")
                if (library == "re" and name in EXPRESSIONS) or called == "RegexValidator":
                    yield inside, child.args[0]
            yield from walk(child, inside)

    return walk(ast.parse(path.read_text()), "")


def test_every_expression_is_measured_or_reads_our_own_text() -> None:
    found = {name for name, _given in expressions()}
    measured = {name for name in found if not name.startswith(OWN_TEXT)}
    # What is put together before it is used stands under the name of its pieces.
    put_together = {"reviewqueue.files.tables._source": "reviewqueue.files.tables._FIRST_CELL"}
    known = {"reviewqueue.marks._EVERYWHERE"}  # our own list of words
    assert {put_together.get(name, name) for name in measured} - known == set(STRANGERS_TEXT)


def test_no_expression_is_of_a_strangers_making() -> None:
    """Rules of a policy are: RE2 runs those, in linear time, and they stand in one module."""
    made = {
        name
        for name, given in expressions()
        if not isinstance(given, ast.Constant) and not name.startswith(OWN_TEXT)
    }
    # Of constants of ours and, in the second, of the delimiter of a file, escaped.
    assert made == {
        "routing.core.numbers._TOKEN",
        "reviewqueue.files.tables._source",
        "reviewqueue.files.jsonl._NOTE",
    }
    users = {
        path.relative_to(PROJECT).as_posix()
        for package in ("routing", "calibration", "reviewqueue")
        for path in (PROJECT / package).rglob("*.py")
        if "import re2" in path.read_text()
    }
    assert users == {"routing/core/keywords.py"}


@pytest.mark.parametrize("name", STRANGERS_TEXT)
def test_time_grows_with_the_length_of_a_hostile_text(name: str) -> None:
    read = STRANGERS_TEXT[name]

    def spend_on(piece: str, length: int) -> float:
        text = piece * (length // len(piece)) + "!"

        def work() -> None:
            with suppress(ProblemError, ValidationError, CursorError):
                read(text)

        return spend(work)

    def is_linear(piece: str) -> bool:
        # Where time grows with the square, a step of four costs sixteen: seen before it hurts.
        middle = min(spend_on(piece, 6_000) for _ in range(2))
        longer = spend_on(piece, 24_000)
        return longer < 10 * max(middle, 0.002) and spend_on(piece, 100_000) < 10 * max(
            longer, 0.01
        )

    # A busy machine may be slow once, not three times.
    slow = [piece for piece in PIECES if not any(is_linear(piece) for _ in range(3))]
    assert slow == []
