"""The two engines on the same weights: a small random Whisper built here, and the real one if it is there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.errors import ModelError
from evalkit.models.whisper_weights import load_openai_model, read_ctranslate2
from evalkit.types import Audio

whisper = pytest.importorskip("whisper", reason="needs the extra openai-whisper")
torch = pytest.importorskip("torch")
ctranslate2 = pytest.importorskip("ctranslate2")

N_VOCAB = 51_865
RATE = 16_000


@pytest.fixture(scope="module")
def original() -> Any:
    """A random two-layer Whisper of transformers, the third party both engines are held against."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(
        vocab_size=N_VOCAB, num_mel_bins=80, d_model=64, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=256, decoder_ffn_dim=256,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20261122)
        model = WhisperForConditionalGeneration(config).eval()
        with torch.no_grad():  # larger weights than the initialisation's, so that the arg-max is never close
            for name, weight in model.named_parameters():
                if weight.ndim > 1 and "embed" not in name:
                    weight.mul_(4.0)
                if name.endswith(("q_proj.bias", "v_proj.bias", "fc1.bias", "out_proj.bias")):
                    weight.normal_(std=0.1)
    return model


@pytest.fixture(scope="module")
def folder(original: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as CTranslate2's own converter writes them."""
    from ctranslate2.converters.transformers import WhisperLoader

    encoding = whisper.tokenizer.get_encoding("multilingual")
    special = {index: token for token, index in encoding._special_tokens.items()}
    tokens = [special.get(i) or f"{encoding.decode_single_token_bytes(i).hex()}#{i}" for i in range(N_VOCAB)]
    spec = WhisperLoader().get_model_spec(original)
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.optimize(quantization="float32")
    target = tmp_path_factory.mktemp("tiny-whisper")
    spec.save(str(target))
    return target


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    time = np.arange(5 * RATE) / RATE
    sweep = 0.3 * np.sin(2 * np.pi * (200 + 60 * time) * time)
    return (sweep + 0.02 * np.random.default_rng(1).normal(size=len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def mel(audio: np.ndarray) -> Any:
    return whisper.log_mel_spectrogram(torch.from_numpy(whisper.pad_or_trim(audio)))[None]


def test_weights_come_back_unchanged(original: Any, folder: Path) -> None:
    state = load_openai_model(folder).state_dict()
    theirs = original.state_dict()
    pairs = {
        "encoder.conv1.weight": "model.encoder.conv1.weight",
        "encoder.blocks.1.attn.query.weight": "model.encoder.layers.1.self_attn.q_proj.weight",
        "decoder.blocks.1.attn.key.weight": "model.decoder.layers.1.self_attn.k_proj.weight",
        "decoder.blocks.0.cross_attn.value.bias": "model.decoder.layers.0.encoder_attn.v_proj.bias",
        "decoder.blocks.1.mlp.2.weight": "model.decoder.layers.1.fc2.weight",
        "decoder.ln.bias": "model.decoder.layer_norm.bias",
        "decoder.positional_embedding": "model.decoder.embed_positions.weight",
        "encoder.positional_embedding": "model.encoder.embed_positions.weight",
    }
    for ours, other in pairs.items():
        torch.testing.assert_close(state[ours], theirs[other], rtol=0, atol=1e-6, msg=ours)
    assert len(state) == len([name for name in theirs if name != "proj_out.weight"])


def test_both_engines_compute_the_same_features(audio: np.ndarray, mel: Any) -> None:
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.feature_extractor import FeatureExtractor

    theirs = pad_or_trim(FeatureExtractor()(audio, padding=RATE * 25 + 160))[:, :3000]
    # 1e-3 of a scale that spans 2 (80 dB): single precision and another FFT.
    np.testing.assert_allclose(theirs, mel[0].numpy(), atol=1e-3)


def test_both_engines_compute_the_same_encoding_and_tokens(original: Any, folder: Path, mel: Any) -> None:
    fast = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32", intra_threads=1)
    slow = load_openai_model(folder)
    features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.numpy()))
    fast_encoding = np.array(fast.encode(features))
    with torch.no_grad():
        slow_encoding = slow.encoder(mel)
        reference = original.model.encoder(mel).last_hidden_state
    scale = float(slow_encoding.abs().max())
    np.testing.assert_allclose(slow_encoding.numpy(), reference.numpy(), atol=2e-5 * scale)
    np.testing.assert_allclose(fast_encoding, slow_encoding.numpy(), atol=1e-4 * scale)

    tokenizer = whisper.tokenizer.get_tokenizer(multilingual=True, language="en", task="transcribe")
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    result = fast.generate(
        features, [prompt], beam_size=1, max_length=len(prompt) + 12, suppress_blank=False, suppress_tokens=[],
        return_scores=True,
    )[0]  # fmt: skip
    tokens = list(prompt)
    with torch.no_grad():
        for _ in range(len(result.sequences_ids[0])):
            tokens.append(int(slow.decoder(torch.tensor([tokens]), slow_encoding)[0, -1].argmax()))
    assert len(result.sequences_ids[0]) >= 5
    assert result.sequences_ids[0] == tokens[len(prompt) :]


def test_a_truncated_file_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    data = (folder / "model.bin").read_bytes()
    (tmp_path / "model.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="bytes are missing"):
        read_ctranslate2(tmp_path / "model.bin")
    (tmp_path / "model.bin").write_bytes(b"not a model at all")
    with pytest.raises(ModelError, match=r"cannot be read|is expected"):
        read_ctranslate2(tmp_path / "model.bin")


def test_an_openai_checkpoint_loads_and_pickled_code_does_not(folder: Path, tmp_path: Path) -> None:
    model = load_openai_model(folder)
    dims = vars(model.dims)
    torch.save({"dims": dims, "model_state_dict": model.state_dict()}, tmp_path / "tiny.pt")
    again = load_openai_model(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    torch.save({"dims": dims, "model_state_dict": Path("x")}, tmp_path / "tiny.pt")
    with pytest.raises(ModelError, match="not a Whisper checkpoint"):
        load_openai_model(tmp_path)


def test_a_folder_without_weights_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no Whisper weights"):
        load_openai_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({}))
    with pytest.raises(ModelError, match="holds no Whisper weights"):
        load_openai_model(tmp_path)


def _speech(text: str) -> Audio:
    espeak = pytest.importorskip("generation.singing.espeak")
    pytest.importorskip("espeakng_loader", reason="needs espeak-ng for a spoken sentence")
    speech = espeak.speak(text, "en-us")
    samples = np.asarray(speech.samples, dtype=np.float32)
    return Audio(samples=samples[None], sample_rate=speech.sample_rate)


TEXT = "Shine on through the quiet morning light. We are walking on the water all night."


@pytest.mark.models
@pytest.mark.slow
def test_the_real_model_reads_the_same_in_both_engines(model_dir: Callable[[str], Path]) -> None:
    from evalkit.models.whisper import make_transcriber

    folder, audio = model_dir("whisper-base"), _speech(TEXT)
    fast = make_transcriber("faster-whisper", folder, {"compute_type": "float32"}).transcribe(audio, "en")
    slow = make_transcriber("openai-whisper", folder).transcribe(audio, "en")
    assert fast.text == slow.text
    assert "quiet morning light" in fast.text.lower()
    for ours, theirs in zip(fast.segments, slow.segments, strict=True):
        assert ours.avg_logprob == pytest.approx(theirs.avg_logprob, abs=5e-3)
    for ours, theirs in zip(fast.words, slow.words, strict=True):
        assert ours.text == theirs.text
        assert ours.start_s == pytest.approx(theirs.start_s, abs=0.05)


@pytest.mark.models
def test_the_real_model_repeats_itself_even_when_sampling(model_dir: Callable[[str], Path]) -> None:
    from evalkit.models.whisper import make_transcriber
    from evalkit.models.whisper_engines import SAMPLE_RATE, FasterWhisper

    audio = _speech(TEXT)
    transcriber = make_transcriber("faster-whisper", model_dir("whisper-base"))
    assert transcriber.transcribe(audio, "en") == transcriber.transcribe(audio, "en")

    import soxr

    samples = soxr.resample(audio.samples[0], audio.sample_rate, SAMPLE_RATE).astype(np.float32)
    engine = FasterWhisper(model_dir("whisper-base"))
    first = engine.sample(samples, "en", temperature=1.0, seed=7)
    engine.decode(samples, "en")
    assert engine.sample(samples, "en", temperature=1.0, seed=7) == first
    assert engine.sample(samples, "en", temperature=1.0, seed=8) != first


def test_the_original_encodes_nothing_twice(folder: Path, audio: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    from evalkit.models import whisper_engines
    from evalkit.models.whisper_engines import OpenAIWhisper

    # A random model writes times at random and hops through the chunk; with one token at a time this is over soon.
    monkeypatch.setattr(whisper_engines, "max_tokens", lambda samples: 1)
    engine, seen = OpenAIWhisper(folder), []
    engine._model.encoder.conv1.register_forward_hook(lambda _, given, __: seen.append(given[0].clone()))
    found = engine.languages(audio)
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-3)
    assert {"en", "zh", "es"} <= set(found)
    text = engine.decode(audio, "en")
    assert len(seen) > 1  # it hopped
    for index, mel in enumerate(seen):
        assert not any(torch.equal(mel, other) for other in seen[index + 1 :])
    # What is remembered is what would be computed.
    assert OpenAIWhisper(folder).decode(audio, "en") == text
    assert engine.languages(audio) == found


@pytest.mark.models
def test_the_real_model_tells_languages_without_a_second_pass(
    model_dir: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import soxr

    from evalkit.models.whisper_engines import FasterWhisper

    speech = _speech("Shine on through the quiet morning light.")
    samples = soxr.resample(speech.samples[0], speech.sample_rate, RATE).astype(np.float32)
    engine = FasterWhisper(model_dir("whisper-base"))
    found = _heard_once(engine, FasterWhisper(model_dir("whisper-base")), samples, monkeypatch)
    assert max(found, key=lambda code: found[code]) == "en"


def test_a_folder_without_tokenizer_is_a_sentence_and_no_question_to_the_network(folder: Path) -> None:
    from evalkit.models.whisper_engines import FasterWhisper

    with pytest.raises(ModelError, match=r"holds no tokenizer\.json"):
        FasterWhisper(folder)


def _heard_once(engine: Any, fresh: Any, audio: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    calls = _count_encodings(engine, monkeypatch)
    found: dict[str, float] = engine.languages(audio)
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-3)
    assert {"en", "zh", "es"} <= set(found)
    assert engine.languages(audio) == found
    text = engine.decode(audio, "en")
    assert len(calls) == 1
    engine.decode(audio[: 2 * RATE], "en")
    assert len(calls) == 2
    assert fresh.decode(audio, "en") == text  # what is remembered is what would be computed
    return found


def _count_encodings(engine: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows with every run of the encoder."""
    calls: list[int] = []
    inner = engine._model.model

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def encode(self, *args: Any, **options: Any) -> Any:
            calls.append(1)
            return inner.encode(*args, **options)

    monkeypatch.setattr(engine._model, "model", Counting())
    return calls
