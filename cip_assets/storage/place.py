"""Where the files of the platform are: in a folder of this machine, or in a bucket (``s3://bucket/prefix``).

Delta tables are read and written where they are. Other files are read and written on this machine by whatever library
does it best. So a bucket has copies of them here, which ``fetch`` brings up to date and ``publish`` sends.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from cip_assets.config.errors import PlatformError
from cip_assets.config.folders import check_folder
from cip_assets.config.settings import Settings


class File(Protocol):
    """A file at a place. ``stamp`` differs if another file has taken its name, ``changed`` is in seconds."""

    name: str

    @property
    def size(self) -> int: ...

    @property
    def stamp(self) -> Hashable: ...

    @property
    def changed(self) -> float: ...

    def read(self) -> bytes: ...


class Place(Protocol):
    """A folder, on this machine or in a bucket."""

    def files(self, folder: str) -> Sequence[File]:
        """The files directly in a folder, in no order; none if there is no such folder."""

    def file(self, name: str) -> File | None:
        """The file of a name, if there is one."""

    def below(self, folder: str = "") -> Sequence[str]:
        """The names of all files in a folder and in its folders, in no order; none if there is no such folder."""

    def delete(self, names: Iterable[str]) -> None:
        """Delete files."""

    def as_arrow(self) -> SubTreeFileSystem:
        """The same for pyarrow."""

    def one_writer(self) -> AbstractContextManager[None]:
        """Wait until no other process is writing here, and keep the others waiting."""

    def fetch(self, copies: Path) -> None:
        """Bring the copies of all files but the Delta tables up to date."""

    def publish(self, copies: Path, path: Path, *, is_only_here: bool = False) -> None:
        """Send a copy that was written, in one step.

        Raises:
            PlatformError: ``is_only_here`` is set, and somebody else has written the file since it was fetched.

        """


def of(address: str) -> Place:
    """The place at an address."""
    if "://" not in address:
        return Disk(Path(address))
    try:
        # Imported here, because a data folder on this machine does not wait for it, nor need what it imports.
        from cip_assets.storage.bucket import Bucket  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise PlatformError(
            f"{address} needs the package {error.name}: pip install 'cip-assets[s3]'"
        ) from error
    return Bucket(address)


def here() -> Settings:
    """The settings of this process, with the files of the data folder as they are now.

    Raises:
        PlatformError: ``CIP_DATA_DIR`` is not a place that the platform can work at.

    """
    settings = Settings.from_environment()
    fetch(settings)
    return settings


def on_disk(command: str, instead: str) -> Settings:
    """The settings of this process for a command that works only on a data folder of this machine.

    Raises:
        PlatformError: the data folder is in a bucket. The message says what to do instead.

    """
    settings = Settings.from_environment()
    if settings.bucket:
        raise PlatformError(
            f"{command} does not work in a bucket, and CIP_DATA_DIR is {settings.bucket}: {instead}"
        )
    return settings


def fetch(settings: Settings) -> None:
    """Bring the files of a data folder up to date on this machine."""
    of(settings.address).fetch(settings.data_dir)


def publish(settings: Settings, path: Path, *, is_only_here: bool = False) -> None:
    """Send a file of a data folder that was written on this machine; see ``Place.publish``."""
    of(settings.address).publish(settings.data_dir, path, is_only_here=is_only_here)


class FileHere:
    """A file on this machine."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    @property
    def stamp(self) -> Hashable:
        stat = self._path.stat()
        return stat.st_ino, stat.st_mtime_ns

    @property
    def changed(self) -> float:
        return self._path.stat().st_mtime

    def read(self) -> bytes:
        return self._path.read_bytes()


class Disk:
    """A folder of this machine. Its files need no copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self, folder: str) -> Sequence[File]:
        try:
            return [FileHere(path) for path in (self._folder / folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def file(self, name: str) -> File | None:
        path = self._folder / name
        return FileHere(path) if path.is_file() else None

    def below(self, folder: str = "") -> Sequence[str]:
        found = (path for path in (self._folder / folder).rglob("*") if path.is_file())
        return [path.relative_to(self._folder).as_posix() for path in found]

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            (self._folder / name).unlink()

    def as_arrow(self) -> SubTreeFileSystem:
        return SubTreeFileSystem(str(self._folder), LocalFileSystem())

    @contextmanager
    def one_writer(self) -> Iterator[None]:
        """Wait for the lock file beside the folder.

        Without it a second writer fails on Sail, and on Spark a writer in another process can overwrite a commit.
        """
        check_folder(self._folder)
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder.parent / f".{self._folder.name}.lock"):
            yield

    def fetch(self, copies: Path) -> None:
        """The files are here."""

    def publish(self, copies: Path, path: Path, *, is_only_here: bool = False) -> None:
        """The file is here."""
