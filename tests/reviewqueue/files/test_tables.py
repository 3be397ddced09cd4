"""CSV: each row is read, or refused by its line and column."""

import io

import pytest

from reviewqueue.files.cells import neutralise, restore
from reviewqueue.files.records import LINE_BYTES, FileError, Record, RefusedFile
from reviewqueue.files.tables import Table

HEADER = b"external_id,text,score.a,score.b\n"


def read(content: bytes, **options: object) -> list[Record]:
    return list(Table(io.BytesIO(content), **options))  # type: ignore[arg-type]


def bodies(content: bytes, **options: object) -> list[object]:
    found = read(content, **options)
    assert [record.problem for record in found] == [None] * len(found)
    return [record.body for record in found]


def refusals(content: bytes) -> list[tuple[str, str]]:
    return [(record.place, record.problem.detail) for record in read(content) if record.problem]


ROW = {"external_id": "1", "payload": {"text": "x"}, "scores": {"a": 0.9, "b": 0.1}}


def test_row_becomes_an_item() -> None:
    content = (
        b"external_id,payload.body,payload,score.a,score.b,secondary.a,metadata.site,signals,"
        b"priority,due_at,model_version,truth,state,decision.queue\n"
        b'7,Hello,"{""n"": 3}",.25,7e-1,1,Oslo,"{""s"": [1]}",-2,2026-01-31T12:00:00Z,m1,a|b,'
        b"settled,auto\n"
    )
    assert bodies(content) == [
        {
            "external_id": "7",
            "payload": {"body": "Hello", "n": 3},
            "scores": {"a": 0.25, "b": 0.7},
            "secondary": {"a": 1.0},
            "metadata": {"site": "Oslo"},
            "signals": {"s": [1]},
            "priority": -2,
            "due_at": "2026-01-31T12:00:00Z",
            "model_version": "m1",
            "truth": ["a", "b"],
        }
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_out(delimiter: str) -> None:
    content = (HEADER + b"1,x,0.9,0.1\n").replace(b",", delimiter.encode())
    assert bodies(content) == [ROW]


def test_delimiter_may_be_given() -> None:
    assert bodies(b"external_id:text:score.a:score.b\n1:x:0.9:0.1\n", delimiter=":") == [ROW]


def test_byte_order_mark_and_other_line_ends_are_taken() -> None:
    content = b"\xef\xbb\xbf" + HEADER + b"1,x,0.9,0.1\n\n"
    assert bodies(content.replace(b"\n", b"\r\n")) == [ROW]


def test_last_line_may_lack_its_end() -> None:
    assert bodies(HEADER + b"1,x,0.9,0.1") == [ROW]


def test_scores_may_stand_in_one_column() -> None:
    content = b'external_id,text,scores\n1,x,"{""a"": 0.9, ""b"": 0.1}"\n'
    assert bodies(content) == [ROW]


def test_row_becomes_a_drafted_sentence() -> None:
    content = (
        b"external_id,payload.sentence,signal.entailment_probability,signal.claim_count,signals,"
        b"blocks,claims,draft,position,retry_of\n"
        b'7,Ten.,0.91,2,"{""s"": ""x""}","[{""id"": ""a""}]","[{""text"": ""b""}]",d-1,1000000,6\n'
        b"8,Ten.,.5,-3,,[],,,,\n"
    )
    assert bodies(content) == [
        {
            "external_id": "7",
            "payload": {"sentence": "Ten."},
            "signals": {"entailment_probability": 0.91, "claim_count": 2, "s": "x"},
            "blocks": [{"id": "a"}],
            "claims": [{"text": "b"}],
            "draft": "d-1",
            "position": 1_000_000,
            "retry_of": "6",
        },
        {
            "external_id": "8",
            "payload": {"sentence": "Ten."},
            "signals": {"entailment_probability": 0.5, "claim_count": -3},
            "blocks": [],
        },
    ]


def test_columns_may_be_named_by_options() -> None:
    content = b"id,body,junk,score.a,score.b\n1,x,?,0.9,0.1\n"
    given = {"id": "external_id", "body": "payload.text", "junk": ""}
    assert bodies(content, columns=given) == [ROW]


def test_quoted_cells_hold_anything_and_lines_are_counted_on() -> None:
    content = HEADER + b'1,"a ""b"", c\r\nd",0.9,0.1\n2,x,?,0.1\n'
    first, second = read(content)
    assert first.body == {**ROW, "payload": {"text": 'a "b", c\r\nd'}}
    assert second.place == "line 4"


def test_header_alone_has_no_rows() -> None:
    assert read(HEADER) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file has no header"),
        (b"x" * (LINE_BYTES + 1), "The file has no header"),
        (b"external_id,text,body,score.a\n", "Column 'body' is no field of an item"),
        (b"external_id,txt,score.a\n", "did you mean text?"),
        (b"text,score.a\n", "There is no column external_id"),
        (b"external_id,text\n", "There is no column of scores"),
        (b"external_id,external_id,score.a\n", "Two columns are external_id"),
        ("external_id,text,score.a\n".encode("utf-16"), "The file is UTF-16"),
    ],
)
def test_unusable_file_is_refused_whole(content: bytes, words: str) -> None:
    with pytest.raises(FileError) as refused:
        read(content)
    assert words in str(refused.value)


def test_option_that_names_no_column_or_field_is_refused() -> None:
    with pytest.raises(FileError, match="There is no column 'body': the file has external_id"):
        read(HEADER, columns={"body": "payload.text"})
    with pytest.raises(FileError, match="text=body: body is no field"):
        read(HEADER, columns={"text": "body"})


def test_each_bad_row_is_told_by_line_and_column() -> None:
    content = HEADER + (
        b"1,x,lots,0.1\n"
        b'2,x,"0,9",0.1\n'
        b"3,x,nan,0.1\n"
        b"4,x,0.9\n"
        b"5,caf\xe9,0.9,0.1\n"
        b'6,"x"y,0.9,0.1\n'
        b"7,x,0.9,0.1\n"
        b'8,"open,0.9,0.1\n'
    )
    assert refusals(content) == [
        ("line 2", "score.a is no number; write it such as 0.25."),
        ("line 3", "score.a is no number; write it such as 0.25."),
        ("line 4", "score.a is no number; write it such as 0.25."),
        ("line 5", "has 3 cells and the header 4; quote cells that hold a delimiter."),
        ("line 6", "text is no UTF-8; save the file as UTF-8."),
        (
            "line 7",
            "is no CSV: ',' expected after '\"'; quote cells that hold quotes or line breaks, and "
            "double the quotes inside.",
        ),
        (
            "line 9",
            "is no CSV: unexpected end of data; quote cells that hold quotes or line breaks, and "
            "double the quotes inside.",
        ),
    ]


def test_json_and_whole_numbers_are_checked() -> None:
    content = (
        b"external_id,scores,metadata,priority\n"
        b"1,{,,\n"
        b"2,[],,\n"
        b'3,"{""a"": 1}",,high\n'
        b'4,"{""a"": 1}",,1000000000000\n'
    )
    assert [detail.split(";")[0] for _, detail in refusals(content)] == [
        "scores is no JSON: Expecting property name enclosed in double quotes at line 1, column 2",
        "scores is no JSON object",
        "priority is no whole number",
        "priority is no whole number",
    ]


def test_row_that_is_too_long_is_passed_over() -> None:
    long_line = b"1," + b"x" * LINE_BYTES + b",0.9,0.1\n"
    long_row = b'2,"' + b"x\n" * LINE_BYTES + b'",0.9,0.1\n'
    found = read(HEADER + long_line + b"1,x,0.9,0.1\n" + long_row[: LINE_BYTES + 9])
    assert [record.place for record in found[:3]] == ["line 2", "line 3", "line 4"]
    assert found[1].body == ROW
    assert [record.problem.code for record in (found[0], found[2]) if record.problem] == [
        "too_large",
        "too_large",
    ]


def test_refused_rows_are_written_as_they_were_and_read_again() -> None:
    content = HEADER + b'1,"a\nb",lots,0.1\r\n2,caf\xe9,0.9,0.1\n3,x,0.9,0.1\n4,x\n'
    table = Table(io.BytesIO(content))
    target = io.BytesIO()
    refused = RefusedFile(table, lambda: target)
    for record in table:
        if record.problem:
            refused.add(record, f'{record.place}: "{record.problem.detail}"\nx')
    assert refused.end()
    assert target.getvalue() == (
        b"import_error,external_id,text,score.a,score.b\n".replace(
            b"import_error", b'"import_error"'
        )
        + b'"line 2: ""score.a is no number; write it such as 0.25."" x",1,"a\nb",lots,0.1\n'
        b'"line 4: ""text is no UTF-8; save the file as UTF-8."" x",2,caf\xe9,0.9,0.1\n'
        b'"line 6: ""has 2 cells and the header 4; quote cells that hold a delimiter."" x",4,x\n'
    )
    again = Table(io.BytesIO(target.getvalue().replace(b"lots", b"0.9")))
    rows = list(again)
    assert rows[0].body == {**ROW, "payload": {"text": "a\nb"}}
    assert [row.source for row in rows] == [
        b'1,"a\nb",0.9,0.1\n',
        b"2,caf\xe9,0.9,0.1\n",
        b"4,x\n",
    ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "\nx", "'=1", "''-1", "'x", "x", "", "'"]
)
def test_cells_come_back_as_they_were(text: str) -> None:
    cell = neutralise(text)
    assert restore(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
