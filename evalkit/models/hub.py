"""Downloads single files from the Hugging Face hub, and goes on where an earlier attempt stopped.

`huggingface_hub.hf_hub_download` gives its partial file a new random name and deletes it after a failure (since 1.x),
so 13 GB would start again from nothing. Its own lower layer, `http_get`, can resume; addresses, tokens, mirrors
(``HF_ENDPOINT``, ``HF_TOKEN``) and retries stay the hub library's business.
"""

import contextlib
import errno
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evalkit.errors import ModelError

PARTIAL_SUFFIX = ".part"

RESUME_FROM_BYTES = 1 << 20
"""Smaller files start again: the hub compresses small texts, and no part of a compressed answer can be asked for."""

ENDPOINT: str | None = None
"""Another hub, e.g. in tests; None leaves the choice to the hub library."""


def partial_path(path: Path) -> Path:
    """Where the beginning of ``path`` is kept until the rest has arrived."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def download(
    repo: str,
    revision: str,
    candidates: Sequence[str],
    path: Path,
    n_bytes: int,
    progress: Callable[[int], None],
) -> None:
    """Fetch one file of a repository; what arrives before a failure stays in `partial_path`.

    Args:
        repo: ``owner/name`` on the hub.
        revision: Full commit hash.
        candidates: Paths inside the repository, tried in order until one exists.
        path: Where to put the file.
        n_bytes: Its size.
        progress: Called with the change in the number of bytes that are here; the first call counts those of earlier
            attempts, and a negative one says that the hub began again.

    Raises:
        ModelError: the hub cannot be reached, refuses, has none of the candidates, or sends another size.
    """
    partial = partial_path(path)
    partial.parent.mkdir(parents=True, exist_ok=True)
    if n_bytes < RESUME_FROM_BYTES or (partial.exists() and partial.stat().st_size > n_bytes):
        partial.unlink(missing_ok=True)
    partial.touch()
    progress(partial.stat().st_size)
    for candidate in candidates:
        try:
            _stream(repo, revision, candidate, partial, n_bytes, progress)
        except ModelError:
            raise
        except Exception as error:  # requests or httpx, depending on the version of the hub library
            if _is_absent(error):
                continue
            raise ModelError(f"{repo}: {_explain(error)}") from error
        partial.replace(path)
        return
    raise ModelError(f"{repo} at revision {revision[:12]} has no {' or '.join(candidates)}.")


def _stream(repo: str, revision: str, name: str, partial: Path, n_bytes: int, progress: Callable[[int], None]) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(repo, name, revision=revision, endpoint=ENDPOINT)
    with _silent(), _Counted(partial, n_bytes, progress) as file:
        start = file.seek(0, io.SEEK_END)
        http_get(url, file, resume_size=start, headers=build_hf_headers(), expected_size=n_bytes)
        if file.tell() != n_bytes:
            raise ModelError(f"{repo} sent {file.tell():,} bytes of {name} instead of {n_bytes:,}.")


class _Counted(io.BufferedRandom):
    """A file that reports how it grows and refuses to grow beyond what is expected."""

    def __init__(self, path: Path, n_bytes: int, progress: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(path, "r+"))
        self._path, self._n_bytes, self._progress = path, n_bytes, progress

    def write(self, data, /) -> int:  # type: ignore[no-untyped-def]  # the buffer protocol has no name in Python 3.11
        if self.tell() + len(data) > self._n_bytes:
            raise ModelError(f"The hub sends more than the {self._n_bytes:,} bytes of {self._path.name}.")
        written = super().write(data)
        self._progress(written)
        return written

    def truncate(self, pos: int | None = None, /) -> int:
        self.flush()
        before = self._path.stat().st_size
        after = super().truncate(pos)
        self._progress(after - before)
        return after


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the hub library's own bars and notices of retries; evalkit draws a bar and reports what fails at last."""
    import huggingface_hub.utils as hub_utils

    logger, bars = logging.getLogger("huggingface_hub.file_download"), "huggingface_hub.http_get"
    level, were_off = logger.level, hub_utils.are_progress_bars_disabled(bars)  # type: ignore[attr-defined]
    logger.setLevel(logging.ERROR)
    if not were_off:
        hub_utils.disable_progress_bars(bars)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        logger.setLevel(level)
        if not were_off:
            hub_utils.enable_progress_bars(bars)  # type: ignore[attr-defined]


def _is_absent(error: Exception) -> bool:
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return False
    return isinstance(error, EntryNotFoundError) or _status(error) == 404


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _explain(error: Exception) -> str:
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    status = _status(error)
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids downloads; unset it."
    if isinstance(error, GatedRepoError):
        return "the hub gives it only to accounts with access; ask for it on the repository's page, then: hf auth login"
    if isinstance(error, RevisionNotFoundError):
        return "the hub no longer has the pinned revision."
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such repository, or this account may not see it (hf auth login)."
    if status in (401, 403):
        return f"the hub refuses (HTTP {status}); log in with an account that has access: hf auth login"
    if status is not None:
        return f"the hub answered with HTTP {status}; try again later, what has arrived is kept."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; what has arrived is kept."
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EROFS):
        return f"the cache cannot be written ({error.strerror})."
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return f"the hub cannot be reached, or the connection broke ({reason}); what has arrived is kept."
