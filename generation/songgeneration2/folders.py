"""Where things lie in a weights folder of the official layout."""

import hashlib
from pathlib import Path

from evalkit.errors import ModelError
from generation.songgeneration2.codec.weights import SEPARATE_FILE, find_file
from generation.songgeneration2.lelm.load import WEIGHT_FILES
from generation.songgeneration2.text.bpe import RANKS_FILE

LIBRARY_FILE = "tools/new_auto_prompt.pt"
SEPARATOR_FILE = "third_party/demucs/ckpt/htdemucs.pth"
TOKENIZER_FOLDER = "third_party/Qwen2-7B"

_SAMPLES = 64
_SAMPLE_BYTES = 4096


def find_variant(root: Path, variant: str) -> Path:
    """The folder of a variant's ``model.pt`` and ``config.yaml`` below a weights folder, which may be that folder.

    Raises:
        ModelError: there is none; the places looked at are named.
    """
    snake = variant.replace("-", "_")
    names = (variant, snake, f"songgeneration_{snake}", f"SongGeneration-{variant}")
    candidates = [root, *(root / name for name in names), *(root / "ckpt" / name for name in names)]
    for folder in candidates:
        if any((folder / name).is_file() for name in WEIGHT_FILES):
            return folder
    raise ModelError(
        f"{root} holds no model.pt of {variant}: neither itself nor in {', '.join(names)} (also below ckpt/).",
        "Give the folder in the official layout.",
    )


def has_renderer(root: Path) -> bool:
    """Whether a weights folder brings the renderer; one from the hub may hold the language model alone."""
    try:
        find_file(root, SEPARATE_FILE)
    except ModelError:
        return False
    return True


def find_tokenizer(root: Path | None) -> Path | None:
    """Tokenizer data below a weights folder, if it is there: the official folder, or a file of ranks."""
    if root is None:
        return None
    found = (root / TOKENIZER_FOLDER, root / RANKS_FILE)
    return next((path for path in found if path.exists()), None)


def identity(folder: Path) -> str:
    """Names the weights in a song's record: file name, size, and a digest of samples, without reading gigabytes."""
    weights = next(folder / name for name in WEIGHT_FILES if (folder / name).is_file())
    size = weights.stat().st_size
    digest = hashlib.sha256()
    with weights.open("rb") as file:
        for number in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return f"{folder.name}/{weights.name}:{size}:{digest.hexdigest()[:16]}"
