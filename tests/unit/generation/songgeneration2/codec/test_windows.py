import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generation.songgeneration2.codec.config import WindowConfig
from generation.songgeneration2.codec.windows import (
    blend,
    decode_stitched,
    decode_windows,
    fade,
    plan_windows,
    tile,
)

WINDOW = WindowConfig()


@pytest.mark.parametrize(
    ("frames", "prompt", "count", "total"),
    [
        (1, 0, 1, 1000),
        (1000, 0, 1, 1000),
        (1001, 0, 2, 1750),
        (3750, 0, 5, 4000),
        (6750, 0, 9, 7000),
        (6750, 250, 9, 7000),
        (6750, 251, 10, 7750),
    ],
)
def test_published_window_counts(frames, prompt, count, total):
    plan = plan_windows(frames, WINDOW, prompt_codes=prompt)
    assert (len(plan.starts), plan.total) == (count, total)
    assert plan.starts == tuple(range(0, 750 * count, 750))


@given(frames=st.integers(1, 8000), prompt=st.sampled_from([0, 80, 250, 251]))
def test_windows_cover_the_song_and_end_together(frames, prompt):
    plan = plan_windows(frames, WINDOW, prompt_codes=prompt)
    assert plan.starts[-1] + WINDOW.length == plan.total >= frames + prompt
    assert plan.total - WINDOW.hop < max(frames + prompt, WINDOW.length)


def test_tiling_continues_periodically():
    assert tile(torch.arange(3), 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert tile(torch.arange(3), 2).tolist() == [0, 1]


def test_fade_of_the_reference(golden, close):
    expected = golden("code2sound_a")["crossfade.fade_in"]
    close(fade(len(expected)).float(), expected)


def test_blending_is_linear():
    old, new = torch.zeros(1, 5), torch.ones(1, 5)
    assert blend(old, new, fade(5)).tolist() == [[0, 0.25, 0.5, 0.75, 1]]


WIDTH, HALO, OVERLAP, RATIO = 60, 4, 16, 3


def smearing_decoder(latents):
    """A decoder whose frames depend on four neighbours on either side, padded with zeros like a convolution."""
    kernel = torch.linspace(0.5, 1.5, 2 * HALO + 1, dtype=torch.float64).expand(2, latents.shape[0], -1)
    mixed = torch.nn.functional.conv1d(latents.double()[None], kernel, padding=HALO)[0]
    return mixed.repeat_interleave(RATIO, dim=1).float()


def agreeing_windows(count, first_cut=0):
    """Windows of one long sequence, so that neighbours share their overlap exactly."""
    hop = WIDTH - OVERLAP
    whole = torch.randn(5, WIDTH + hop * (count - 1), generator=torch.Generator().manual_seed(count))
    windows = [whole[:, index * hop : index * hop + WIDTH] for index in range(count)]
    windows[0] = windows[0][:, first_cut:]
    return windows


@pytest.mark.parametrize("frames", [5, 30, 44, 47, 52, 57, 60, 61, 104, 110, 148])
@pytest.mark.parametrize("first_cut", [0, 20])
def test_decoding_once_equals_decoding_every_window(close, frames, first_cut):
    windows = agreeing_windows(3, first_cut)
    frames = min(frames, sum(w.shape[1] for w in windows) - 2 * OVERLAP)
    plain = decode_windows(windows, frames, smearing_decoder, ratio=RATIO, overlap=OVERLAP)
    once = decode_stitched(windows, frames, smearing_decoder, ratio=RATIO, overlap=OVERLAP, halo=HALO)
    assert plain.shape == (2, frames * RATIO)
    close(once, plain)


def test_the_edges_matter(close):
    """Without the second decode of the edges the two forms differ, so the test above sees something."""
    windows = agreeing_windows(2)
    plain = decode_windows(windows, 104, smearing_decoder, ratio=RATIO, overlap=OVERLAP)
    stitched = torch.cat([windows[0], windows[1][:, OVERLAP:]], dim=1)
    assert float((smearing_decoder(stitched) - plain).abs().max()) > 1e-3
