"""Workers that share a GPU share its memory too: each keeps to its part, so that none takes another's.

The part is a worker's need (`evalkit.executors.base.Need.gpus`), told to its process in an environment variable. What
goes beyond it fails in that worker with a sentence, and costs the song it was at.
"""

import os

VARIABLE = "EVALKIT_GPU_SHARE"


def share() -> float:
    """This process's part of its GPU, in (0, 1]; 1 where nothing was said."""
    try:
        found = float(os.environ.get(VARIABLE, ""))
    except ValueError:
        return 1.0
    return found if 0.0 < found <= 1.0 else 1.0


def environment(gpus: float) -> dict[str, str]:
    """The variable for a worker that needs so much of a GPU; none for a whole one, or for no GPU."""
    return {VARIABLE: f"{gpus:g}"} if 0.0 < gpus < 1.0 else {}


def keep_to_share() -> None:
    """Hold what PyTorch takes of the GPU's memory to this process's part; nothing happens without one."""
    if share() == 1.0:
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share())
