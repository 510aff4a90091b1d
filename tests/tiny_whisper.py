"""A small random Whisper in the three forms that tests compare: transformers, CTranslate2, and our own network."""

import json
from pathlib import Path
from typing import Any

N_WORDS = 600


def special_tokens() -> list[str]:
    """Names of the special tokens in the order of Whisper's vocabulary."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return [
        "<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in _LANGUAGE_CODES), "<|translate|>",
        "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
        *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
    ]  # fmt: skip


def token(name: str) -> int:
    """Number of a special token."""
    return N_WORDS + special_tokens().index(name)


def make_original(seed: int = 20261122) -> Any:
    """transformers' model: two layers, random."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(
        vocab_size=N_WORDS + len(special_tokens()), num_mel_bins=80, d_model=64, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=256, decoder_ffn_dim=256,
        bos_token_id=N_WORDS, eos_token_id=N_WORDS, pad_token_id=N_WORDS, decoder_start_token_id=N_WORDS + 1,
        suppress_tokens=[], begin_suppress_tokens=[],
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(config).eval()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.ndim > 1 and "embed" not in name:
                    weight.mul_(4.0)  # so that tokens differ, and hang on what was heard and written
                if name.endswith(("q_proj.bias", "v_proj.bias", "fc1.bias", "out_proj.bias")):
                    weight.normal_(std=0.1)
            for layer in model.model.decoder.layers:
                layer.encoder_attn.out_proj.weight.mul_(8.0)
                layer.encoder_attn.k_proj.weight.mul_(4.0)
            # Sharper choices: a text is never close to another.
            model.model.decoder.layer_norm.weight.mul_(3.0)
    return model


def save(original: Any, folder: Path, quantization: str = "float32") -> Path:
    """Write the model as CTranslate2's own converter does, with a tokenizer of made-up words."""
    from ctranslate2.converters.transformers import WhisperLoader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*alphabet, *(f"w{number}" for number in range(N_WORDS - len(alphabet))), *special_tokens()]
    spec = WhisperLoader().get_model_spec(original)
    spec.register_vocabulary(names)
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(exist_ok=True)
    spec.save(str(folder))
    tokenizer = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names[:N_WORDS])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special_tokens()])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "alignment_heads": [[0, 1], [1, 0], [1, 1]],
        "lang_ids": list(range(token("<|startoftranscript|>") + 1, token("<|translate|>"))),
        "suppress_ids": [1, 2, *range(token("<|startoftranscript|>"), token("<|notimestamps|>"))],
        "suppress_ids_begin": [0, token("<|endoftext|>")],
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
