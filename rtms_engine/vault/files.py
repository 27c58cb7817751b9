"""The door to content on disk: opens, begins, finishes and shreds files, plain or encrypted.

What is below a directory that a `Vault` covers is encrypted when it is begun: a folder with a key of its own, named
in ``.encrypted.json``, or a single file. What is there already says by itself what it is. Everything blocks,
and raises OSError, which `rtms_engine.errors.VaultError` is one of.
"""

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from ..errors import VaultError
from .format import (
    HEADER_BYTES,
    ID_BYTES,
    KEY_BYTES,
    MAGIC,
    RECORD_BYTES,
    SALT_BYTES,
    Begin,
    Damaged,
    DataKey,
    begin_of,
)
from .layout import PLAIN, Layout, RawFile

if TYPE_CHECKING:
    from .keys import KeyDirectory  # and with it `cryptography`, which only those need who encrypt

MARKER = ".encrypted.json"
"""Says in a folder that everything in it is encrypted, and by which key."""
IN_PLAIN = ("manifest.json", ".stream.json", MARKER)
"""What is in such a folder and is not: it tells whose the folder is, and nothing that was said or shown."""
LEFTOVER = ".new"
_FILE_MODE = 0o600


class Vault:
    """The keys of an engine, and the directories whose new content they encrypt."""

    def __init__(self, keys: "KeyDirectory") -> None:
        self.keys = keys
        self._roots: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        return f"<Vault {self.keys} covers={[*map(str, self._roots)]}>"

    def cover(self, directories: Iterable[Path | str]) -> None:
        """Encrypt what is begun below these too."""
        self._roots += tuple(Path(directory).absolute() for directory in directories)

    def covers(self, path: Path) -> bool:
        """Whether new content there is encrypted."""
        path = path.absolute()
        return any(path.is_relative_to(root) for root in self._roots)


_vaults: tuple[Vault, ...] = ()
"""Of this process: nearly always none or one."""


@contextlib.contextmanager
def unlocked(vault: Vault | None) -> Iterator[None]:
    """Let this process use a vault, while the block runs; None: nothing happens."""
    unlock(vault)
    try:
        yield
    finally:
        lock(vault)


def unlock(vault: Vault | None) -> None:
    """Let this process use a vault, instead of an earlier one with the same directory of keys."""
    global _vaults  # noqa: PLW0603 - what is below a directory is the same for everybody in a process
    if vault is not None:
        _vaults = (vault, *(one for one in _vaults if one.keys.path != vault.keys.path))


def lock(vault: Vault | None) -> None:
    """Use it no more; nothing happens if it is not in use."""
    global _vaults  # noqa: PLW0603 - see `unlock`
    _vaults = tuple(one for one in _vaults if one is not vault)


def vault_over(path: Path) -> Vault | None:
    """Whose keys encrypt what is begun there; None: it stays in plain."""
    return next((vault for vault in _vaults if vault.covers(path)), None)


# --- keys ---


class _Marker(msgspec.Struct, frozen=True):
    key: str


_decode_marker = msgspec.json.Decoder(_Marker).decode


def begin(folder: Path) -> DataKey | None:
    """Make the key of a new folder, if what is there is to be encrypted."""
    vault = vault_over(folder)
    if vault is None:
        return None
    key = vault.keys.make()
    _mark(folder, key)
    return key


def key_of_folder(folder: Path) -> DataKey | None:
    """The key of a folder; None if it is in plain. Raises VaultError if the key cannot be had."""
    key_id = _marked(folder)
    return _key(key_id, folder) if key_id else None


def key_of_file(path: Path) -> DataKey | None:
    """The key of a file; None if there is none, or it is in plain."""
    begin = _begin_of(path)
    return _key(begin.key_id, path) if begin else None


def is_encrypted(path: Path) -> bool:
    """Whether a folder, or a file, is encrypted. No key is needed to say so."""
    try:
        return bool(_marked(path) if path.is_dir() else _begin_of(path))
    except VaultError:  # what is damaged was
        return True


def shred(path: Path) -> int:
    """Destroy the keys of a folder, or of a file: nobody can read it any more. Returns how many there were."""
    key_ids: set[bytes] = set()
    with contextlib.suppress(VaultError):  # a marker that is damaged: the files know too
        key_ids.update(filter(None, [_marked(path)]))
    if not _vaults:
        return 0
    for file in [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]:
        with contextlib.suppress(VaultError):
            if begin := _begin_of(file):
                key_ids.add(begin.key_id)
    return sum(vault.keys.destroy(key_id) for key_id in key_ids for vault in _vaults)


def delete(path: Path) -> None:
    """Destroy the key of a file, and delete it; nothing happens if it is not there."""
    shred(path)
    path.unlink(missing_ok=True)


def new_key(path: Path) -> DataKey | None:
    """A key for a new file, if it is to be encrypted."""
    vault = vault_over(path)
    return vault.keys.make() if vault else None


def adopt(path: Path) -> None:
    """Encrypt a folder, or a file, that was begun in plain, if what is there is to be encrypted.

    A process that is killed meanwhile leaves some files in plain, and whoever comes next completes it.
    """
    vault = vault_over(path)
    if vault is None or not path.exists() or is_encrypted(path):
        return
    key = vault.keys.make()
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    for file in files:
        if file.name not in IN_PLAIN and not file.name.endswith(LEFTOVER) and not is_encrypted(file):
            with file.open("rb") as plain, replacing(file, key=key) as sealed:
                while data := plain.read(RECORD_BYTES):
                    sealed.write(data)
    if path.is_dir():
        _mark(path, key)


def _mark(folder: Path, key: DataKey) -> None:
    beside = folder / f"{MARKER}{LEFTOVER}"
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    with os.fdopen(file, "wb") as writer:
        writer.write(msgspec.json.encode(_Marker(key.id.hex())))
        writer.flush()
        os.fsync(writer.fileno())
    beside.replace(folder / MARKER)


def _marked(folder: Path) -> bytes | None:
    try:
        return bytes.fromhex(_decode_marker((folder / MARKER).read_bytes()).key)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, ValueError) as error:
        raise VaultError(folder / MARKER, "it is damaged") from error


def _key(key_id: bytes, for_whom: Path) -> DataKey:
    if not _vaults:
        raise VaultError(
            for_whom,
            "it is encrypted, and no key is configured: set [encryption] key_file and directory, or "
            "RTMS_ENGINE__ENCRYPTION__KEY_FILE",
        )
    keys = next((vault.keys for vault in _vaults if vault.keys.has(key_id)), _vaults[0].keys)
    return keys.get(key_id, for_whom)


def hide(key: DataKey, data: bytes) -> bytes:
    """Encrypt some bytes that stand in a file that is in plain."""
    from .cipher import hide

    return hide(key, data, os.urandom(SALT_BYTES))


def reveal(key_id: bytes, data: bytes, path: Path) -> bytes:
    """What was hidden in a file. Raises VaultError."""
    from .cipher import reveal

    try:
        return reveal(_key(key_id, path), data)
    except Damaged as error:
        raise VaultError(path, str(error)) from None


# --- files ---


def layout_of(
    path: Path, file: int, *, key: DataKey | None = None, in_full: bool = False, tolerant: bool = False
) -> Layout:
    """How the bytes of an open file lie on the disk.

    Args:
        path: of the file.
        file: its descriptor.
        key: encrypts it if it is empty; then it must be writable.
        in_full: whether all of it will be read, and not only what was written last.
        tolerant: what is behind something that was changed counts as not there.
    """
    header = os.pread(file, HEADER_BYTES, 0)
    try:
        found = begin_of(header)
    except Damaged as error:
        raise VaultError(path, str(error)) from None
    if found is not None:
        return _sealed(path, found, header, in_full=in_full, tolerant=tolerant)
    if key is not None and (not header or _is_torn(header)):
        os.ftruncate(file, 0)
        return _created(path, file, key)
    if key is not None or (header and _vaults and _is_out_of_place(path)):
        raise VaultError(path, "it is not encrypted, and it is where everything is: somebody has changed it")
    return PLAIN


def _sealed(path: Path, begin: Begin, header: bytes, *, in_full: bool, tolerant: bool) -> Layout:
    from .cipher import FileCipher
    from .sealed import WRITERS_MEMORY, Sealed

    cipher = FileCipher(_key(begin.key_id, path).secret, begin)
    return Sealed(path, cipher, header, None if in_full else WRITERS_MEMORY, tolerant=tolerant)


def _created(path: Path, file: int, key: DataKey, *, in_full: bool = False) -> Layout:
    from .sealed import WRITERS_MEMORY, Sealed

    return Sealed.create(path, file, key, None if in_full else WRITERS_MEMORY)


def reading(path: Path, *, tolerant: bool = False) -> BinaryIO:
    """A file to be read; ``tolerant``: as far as nobody has changed it."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        layout = layout_of(path, file, in_full=True, tolerant=tolerant)
        if layout is PLAIN:
            return open(path, "rb", opener=lambda *_: file)
        return cast(BinaryIO, io.BufferedReader(RawFile(file, layout, writable=False), 2 * RECORD_BYTES))
    except BaseException:
        os.close(file)
        raise


def for_library(path: Path) -> str | BinaryIO:
    """What is given to a library that opens files itself: their name, or where that is of no use, the file."""
    return reading(path) if _begin_of(path) else str(path.resolve())


def read(path: Path) -> bytes:
    """All of a file."""
    with reading(path) as file:
        return file.read()


def size_of(path: Path) -> int:
    """How many bytes the plain file has."""
    size = path.stat().st_size
    begin = _begin_of(path)
    if begin is None:
        return 0 if 0 < size < HEADER_BYTES and _is_torn(_first_bytes(path)) else size
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        layout = layout_of(path, file)
        known = layout.final_size(file)
        return layout.size(file) if known is None else known
    finally:
        os.close(file)


def scratch(directory: Path, file: int) -> Layout:
    """The layout of an empty file that nobody else will read, encrypted if what is below ``directory`` is: by a
    key that is nowhere but here.
    """
    if vault_over(directory) is None:
        return PLAIN
    return _created(directory, file, DataKey(os.urandom(ID_BYTES), os.urandom(KEY_BYTES)), in_full=True)


def claim(path: Path, key: DataKey | None) -> None:
    """Make a new file with nothing in it. Raises FileExistsError."""
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _FILE_MODE)
    try:
        if key is not None:
            layout_of(path, file, key=key)
    finally:
        os.close(file)


def truncate(path: Path, size: int) -> None:
    """Cut a file off."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        layout_of(path, file).truncate(file, size)
    finally:
        os.close(file)


def finish(path: Path) -> None:
    """Say in an encrypted file that it is finished: what is cut off from then on is missed."""
    if _begin_of(path):
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            layout_of(path, file).finish(file)
        finally:
            os.close(file)


def verify(path: Path) -> bool:
    """Look at every byte of an encrypted file. Raises VaultError if one was changed.

    Returns:
        Whether it was finished, and nothing is missing at its end.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        layout = layout_of(path, file, in_full=True)
        layout.verify(file)
        return layout.is_final(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def replacing(
    path: Path, *, lasting: bool = True, like: Path | None = None, key: DataKey | None = None
) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` when the block ends well, else the old file stays.

    Args:
        path: it need not exist.
        lasting: whether the new file must survive that the power fails right then.
        like: the file that tells, instead of ``path``, whether and by which key the new one is encrypted.
        key: tells the same.
    """
    key = key or key_of_file(like or path)
    temporary = path.with_name(f".{path.name}{LEFTOVER}")
    try:
        with _new_file(temporary, key) as file:
            yield file
            file.flush()
            raw = getattr(file, "raw", None)
            if isinstance(raw, RawFile):
                raw.finish()
                if lasting:
                    raw.sync()
            elif lasting:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _new_file(path: Path, key: DataKey | None) -> BinaryIO:
    mode = os.O_RDWR if key else os.O_WRONLY
    file = os.open(path, mode | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
    if key is None:
        return open(path, "wb", opener=lambda *_: file)
    layout = _created(path, file, key)
    return cast(BinaryIO, io.BufferedWriter(RawFile(file, layout, writable=True), RECORD_BYTES))


class Appended:
    """A file that grows: each time by all of what is given, or by nothing.

    It holds nothing open, and remembers how the file lies on the disk.

    Args:
        path: made when something is appended, if it is missing.
        key: encrypts it if it is new; None: it is as it is.
    """

    def __init__(self, path: Path, key: DataKey | None = None) -> None:
        self.path = path
        self._key = key
        self._known: tuple[bytes, Layout] | None = None
        """By the file's first bytes, since it may have been replaced."""

    def append(self, data: bytes) -> None:
        """Add to the end, all of it or nothing."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            self._layout(file).append(file, data)
        finally:
            os.close(file)

    def _layout(self, file: int) -> Layout:
        header = os.pread(file, HEADER_BYTES, 0)
        if self._known is None or self._known[0] != header:
            layout = layout_of(self.path, file, key=self._key)
            self._known = os.pread(file, HEADER_BYTES, 0), layout
        return self._known[1]


def _begin_of(path: Path) -> Begin | None:
    try:
        return begin_of(_first_bytes(path))
    except (FileNotFoundError, IsADirectoryError):
        return None
    except Damaged as error:
        raise VaultError(path, str(error)) from None


def _first_bytes(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(HEADER_BYTES)


def _is_torn(header: bytes) -> bool:
    """Whether a process was killed when it began the file."""
    return 0 < len(header) < HEADER_BYTES and header[: len(MAGIC)] == MAGIC[: len(header)]


def _is_out_of_place(path: Path) -> bool:
    """Whether a plain file is in a folder where there must be none."""
    is_known = path.name in IN_PLAIN or path.name.endswith(LEFTOVER)
    return not is_known and any((folder / MARKER).exists() for folder in (path.parent, path.parent.parent))
