"""The environment: typed readers, secrets in files, and the table of all variables."""

import ast
from pathlib import Path

import pytest

from reviewqueue import variables
from reviewqueue.embedded.processes import PROJECT
from reviewqueue.variables import ConfigurationError

PACKAGES = ("routing", "calibration", "reviewqueue")
# Set for every process by the shell or the system, or by ourselves for our own children.
NOT_OURS = {
    "DJANGO_SETTINGS_MODULE",
    "OPENBLAS_NUM_THREADS",
    "PATH",
    "REVIEWQUEUE_URL",
    "REVIEWQUEUE_DRAIN_SIGN",
}


def test_page_of_settings_is_what_the_code_says() -> None:
    written = (PROJECT / "docs" / "settings.md").read_text()
    assert written == variables.write_table(), (
        "run: python -m reviewqueue.variables > docs/settings.md"
    )


def test_nothing_else_reads_the_environment_by_name() -> None:
    found = {
        (path.relative_to(PROJECT).as_posix(), name)
        for package in PACKAGES
        for path in (PROJECT / package).rglob("*.py")
        for name in names_read(path)
    }
    assert {name for _path, name in found} <= NOT_OURS, found


def names_read(path: Path) -> set[str]:
    """Texts that stand in a call or subscript of `os.environ` or `os.getenv`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and "environ" in ast.dump(node.func):
            given = node.args[:1]
        elif isinstance(node, ast.Subscript) and "environ" in ast.dump(node.value):
            given = [node.slice]
        else:
            continue
        found |= {str(one.value) for one in given if isinstance(one, ast.Constant)}
    return found


def test_text_of_a_variable_that_is_empty_or_missing_is_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    assert variables.text("PORT") == "8000"
    monkeypatch.setenv("PORT", "")
    assert variables.text("PORT") == "8000"
    monkeypatch.setenv("PORT", "81")
    assert variables.text("PORT") == "81"


def test_secret_from_a_file_is_without_its_line_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "key"
    secret.write_text("sesame  open\n")
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))
    assert variables.text("SECRET_KEY") == "sesame  open"
    assert variables.is_given("SECRET_KEY")


def test_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_KEY", "one")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ConfigurationError, match="SECRET_KEY and SECRET_KEY_FILE are both set"):
        variables.text("SECRET_KEY")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), (b"\n", "is empty"), (b"\xff", "cannot")]
)
def test_secret_of_a_useless_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, message: str
) -> None:
    secret = tmp_path / "key"
    if content is not None:
        secret.write_bytes(content)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))
    with pytest.raises(ConfigurationError, match=f"SECRET_KEY_FILE is .*{message}"):
        variables.text("SECRET_KEY")


def test_file_of_what_is_no_secret_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.setenv("PORT_FILE", "/nowhere")
    assert variables.text("PORT") == "8000"


@pytest.mark.parametrize(
    ("said", "meant"),
    [("true", True), ("1", True), ("Yes", True), ("on", True), ("false", False), ("0", False)],
)
def test_flag(monkeypatch: pytest.MonkeyPatch, said: str, meant: bool) -> None:
    monkeypatch.setenv("HTTPS", said)
    assert variables.flag("HTTPS") is meant


def test_wrong_values_name_variable_value_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS", "perhaps")
    with pytest.raises(ConfigurationError, match="HTTPS is 'perhaps': write true or false"):
        variables.flag("HTTPS")
    monkeypatch.setenv("PORT", "-1")
    with pytest.raises(ConfigurationError, match="PORT is '-1': write a whole number"):
        variables.number("PORT")


def test_one_of_names_what_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECOND_FACTOR", "staff")
    assert variables.one_of("SECOND_FACTOR", ("optional", "staff")) == "staff"
    monkeypatch.setenv("SECOND_FACTOR", "on")
    with pytest.raises(
        ConfigurationError, match=r"SECOND_FACTOR is 'on': write optional or staff\."
    ):
        variables.one_of("SECOND_FACTOR", ("optional", "staff"))


def test_words_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example, b.example,,")
    assert variables.words("ALLOWED_HOSTS") == ["a.example", "b.example"]


def test_name_that_nobody_declared_is_a_fault() -> None:
    with pytest.raises(KeyError, match="NOBODY"):
        variables.text("NOBODY")
