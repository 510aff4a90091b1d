"""The hub door, against a hub of our own on this machine: candidates, resuming, refusals in sentences."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evalkit.errors import ModelError
from evalkit.models import hub
from evalkit.models import registry as registries
from evalkit.models.files import ModelFiles

REVISION = "a" * 40
WEIGHTS = bytes(range(256)) * 800
CONTENT = {"model.bin": WEIGHTS, "vae/config.json": b'{"a": 1}'}


class FakeHub:
    """Serves files by path inside the repository ``someone/toy``.

    Attributes:
        files: What there is.
        status: Answers with this status instead, with these headers.
        cut_at: Closes the connection after so many bytes of the file, once.
        ignores_ranges: Always sends whole files.
        asked: Path and Range header of every request.
    """

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.status: tuple[int, dict[str, str]] | None = None
        self.cut_at: int | None = None
        self.ignores_ranges = False
        self.asked: list[tuple[str, str | None]] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        prefix = f"/someone/toy/resolve/{REVISION}/"
        path, wanted = request.path.removeprefix(prefix), request.headers.get("Range")
        self.asked.append((path, wanted))
        if self.status is not None:
            return self._refuse(request, *self.status)
        if not request.path.startswith(prefix) or path not in self.files:
            return self._refuse(request, 404, {"X-Error-Code": "EntryNotFound"})
        data = self.files[path]
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and not self.ignores_ranges else 0
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        if self.cut_at is not None and path == "model.bin":
            request.wfile.write(data[start : self.cut_at])
            self.cut_at = None
            self.status = (503, {})
            request.close_connection = True
            return None
        request.wfile.write(data[start:])
        return None

    def _refuse(self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            request.send_header(name, value)
        request.end_headers()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = FakeHub(server.server_port)
    served.files = dict(CONTENT)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setattr(hub, "ENDPOINT", served.endpoint)
    monkeypatch.setattr(hub, "RESUME_FROM_BYTES", 100)
    # The hub library writes 10 MB at a time.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def make_files(tmp_path: Path) -> Callable[..., ModelFiles]:
    def make(places: str = "{}", accept: str = "null") -> ModelFiles:
        listed = "".join(
            f"      {name}: {{bytes: {len(data)}, sha256: {hashlib.sha256(data).hexdigest()}}}\n"
            for name, data in CONTENT.items()
        )
        registry = registries.parse(
            "groups:\n  family/toy: [toy]\nmodels:\n  toy:\n    title: Toy\n    licence: odd\n    hardware: CPU\n"
            f"    accept: {accept}\n    files:\n{listed}    sources:\n"
            f"      - hf: {{repo: someone/toy, revision: {REVISION}, files: {places}}}\n"
        )
        return ModelFiles(tmp_path / "cache", registry)

    return make


def test_files_come_from_the_pinned_revision(fake: FakeHub, make_files: Callable[..., ModelFiles]) -> None:
    files, steps = make_files(), []
    assert files.pull(["family/toy"], lambda *step: steps.append(step)) == ["toy"]
    folder = files.locate("toy")
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert fake.asked == [("model.bin", None), ("vae/config.json", None)]
    total = len(WEIGHTS) + 8
    assert steps[0] == ("toy", 0, total)
    assert steps[-1] == ("toy", total, total)
    assert files.origin("toy") == "hf:someone/toy@aaaaaaaaaaaa"
    assert not list(folder.parent.parent.joinpath("partial").rglob("*.part"))


def test_candidates_are_tried_in_order(fake: FakeHub, make_files: Callable[..., ModelFiles]) -> None:
    fake.files["ckpt/model.bin"] = fake.files.pop("model.bin")
    files = make_files("{model.bin: [elsewhere/model.bin, ckpt/model.bin, model.bin]}")
    files.pull(["toy"])
    assert (files.locate("toy") / "model.bin").read_bytes() == WEIGHTS
    assert [path for path, _ in fake.asked][:2] == ["elsewhere/model.bin", "ckpt/model.bin"]
    assert "model.bin" not in [path for path, _ in fake.asked]


def test_no_candidate_is_there(fake: FakeHub, make_files: Callable[..., ModelFiles]) -> None:
    fake.files.clear()
    with pytest.raises(ModelError, match=r"revision aaaaaaaaaaaa has no a/model\.bin or model\.bin\."):
        make_files("{model.bin: [a/model.bin, model.bin]}").pull(["toy"])


@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_an_interrupted_download_goes_on(
    fake: FakeHub, make_files: Callable[..., ModelFiles], ignores_ranges: bool
) -> None:
    fake.cut_at = 150_000
    with pytest.raises(ModelError, match=r"kept.*models pull toy"):
        make_files().pull(["toy"])
    assert make_files().state("toy") == "missing"
    fake.status, fake.ignores_ranges = None, ignores_ranges
    fake.asked.clear()
    steps: list[tuple[str, int, int]] = []
    files = make_files()
    files.pull(["toy"], lambda *step: steps.append(step))
    (name, wanted), *_ = fake.asked
    begun = int(str(wanted).removeprefix("bytes=").removesuffix("-"))
    assert name == "model.bin"
    assert 100_000 < begun <= 150_000
    total = len(WEIGHTS) + 8
    assert [done for _, done, _ in steps[:2]] == [0, begun]
    assert steps[-1] == ("toy", total, total)
    assert (files.locate("toy") / "model.bin").read_bytes() == WEIGHTS
    assert not list(files.locate("toy").rglob("*.part"))


def test_a_finished_file_is_not_fetched_again(fake: FakeHub, make_files: Callable[..., ModelFiles]) -> None:
    del fake.files["vae/config.json"]
    with pytest.raises(ModelError, match=r"has no vae/config\.json"):
        make_files().pull(["toy"])
    fake.files = dict(CONTENT)
    fake.asked.clear()
    make_files().pull(["toy"])
    assert [path for path, _ in fake.asked] == ["vae/config.json"]


def test_altered_bytes_are_refused_and_not_kept(
    fake: FakeHub, make_files: Callable[..., ModelFiles], tmp_path: Path
) -> None:
    fake.files["model.bin"] = WEIGHTS[:-1] + b"x"
    with pytest.raises(ModelError, match="was altered"):
        make_files().pull(["toy"])
    assert make_files().state("toy") == "missing"
    assert not list((tmp_path / "cache" / "partial").rglob("model.bin*"))
    fake.files["model.bin"] = WEIGHTS
    make_files().pull(["toy"])
    assert make_files().state("toy") == "ready"


def test_a_bad_beginning_is_found_after_resuming(
    fake: FakeHub, make_files: Callable[..., ModelFiles], tmp_path: Path
) -> None:
    files = make_files()
    folder = tmp_path / "cache" / "partial" / f"toy-{files.registry.get('toy').sha256[:12]}"
    folder.mkdir(parents=True)
    (folder / "model.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(ModelError, match="was altered"):
        files.pull(["toy"])
    files.pull(["toy"])
    assert files.state("toy") == "ready"


@pytest.mark.parametrize("data", [WEIGHTS + b"x" * 300_000, WEIGHTS[:-1]])
def test_another_size_is_refused(fake: FakeHub, make_files: Callable[..., ModelFiles], data: bytes) -> None:
    fake.files["model.bin"] = data
    with pytest.raises(ModelError, match="could not be fetched"):
        make_files().pull(["toy"])
    assert make_files().state("toy") == "missing"


@pytest.mark.parametrize(
    ("status", "headers", "sentence"),
    [
        (401, {"X-Error-Code": "RepoNotFound"}, "no such repository, or this account may not see it"),
        (403, {"X-Error-Code": "GatedRepo"}, "only to accounts with access"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "no longer has the pinned revision"),
        (403, {}, r"refuses \(HTTP 403\); log in"),
        (500, {}, "HTTP 500; try again later"),
    ],
)
def test_refusals_are_sentences(
    fake: FakeHub, make_files: Callable[..., ModelFiles], status: int, headers: dict[str, str], sentence: str
) -> None:
    fake.status = (status, headers)
    with pytest.raises(ModelError, match=sentence):
        make_files().pull(["toy"])


def test_no_network_is_a_sentence(
    fake: FakeHub, make_files: Callable[..., ModelFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    with pytest.raises(ModelError, match="cannot be reached"):
        make_files().pull(["toy"])


def test_offline_asks_nobody(
    fake: FakeHub, make_files: Callable[..., ModelFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALKIT_OFFLINE", "1")
    with pytest.raises(ModelError, match="EVALKIT_OFFLINE forbids"):
        make_files().pull(["toy"])
    assert fake.asked == []


def test_the_disk_must_hold_only_what_is_missing(
    fake: FakeHub, make_files: Callable[..., ModelFiles], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free = 60_000
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": free})())
    with pytest.raises(ModelError, match="MB are free"):
        make_files().pull(["toy"])
    assert fake.asked == []
    folder = tmp_path / "cache" / "partial" / f"toy-{make_files().registry.get('toy').sha256[:12]}"
    folder.mkdir(parents=True)
    (folder / "model.bin.part").write_bytes(WEIGHTS[:150_000])
    make_files().pull(["toy"])
    assert make_files().state("toy") == "ready"


def test_two_at_once_download_once(fake: FakeHub, make_files: Callable[..., ModelFiles]) -> None:
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(make_files().pull(["toy"]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [[], [], ["toy"]]
    assert [path for path, _ in fake.asked] == ["model.bin", "vae/config.json"]


def test_the_hub_librarys_own_settings_are_put_back(fake: FakeHub, make_files: Callable[..., ModelFiles]) -> None:
    import logging

    from huggingface_hub.utils import are_progress_bars_disabled

    before = logging.getLogger("huggingface_hub.file_download").level, are_progress_bars_disabled()
    make_files().pull(["toy"])
    after = logging.getLogger("huggingface_hub.file_download").level, are_progress_bars_disabled()
    assert after == before
