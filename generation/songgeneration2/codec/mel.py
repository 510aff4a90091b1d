"""Log-mel spectrogram of the music encoder: 24 kHz, 100 frames a second, 128 HTK bands, no dynamic limit."""

import torch
from torch import Tensor, nn

SAMPLE_RATE_HZ = 24_000
N_FFT = 2048
HOP = 240
FLOOR = 1e-10
MEAN_DB = 6.768444971712967
STD_DB = 18.417922652295623


def hertz_to_mel(hertz: Tensor) -> Tensor:
    """HTK scale."""
    return 2595.0 * torch.log10(1.0 + hertz / 700.0)


def filterbank(bands: int) -> Tensor:
    """Triangular HTK filters without normalisation, float32 [N_FFT // 2 + 1, bands], 0 Hz to half the sample rate."""
    bins = torch.linspace(0, SAMPLE_RATE_HZ / 2, N_FFT // 2 + 1)
    top = float(hertz_to_mel(torch.tensor(SAMPLE_RATE_HZ / 2, dtype=torch.float64)))
    corners = 700.0 * (10.0 ** (torch.linspace(0.0, top, bands + 2) / 2595.0) - 1.0)
    width = corners.diff()
    slopes = corners[None] - bins[:, None]  # [bins, bands + 2]
    falling = slopes[:, 2:] / width[1:]
    rising = -slopes[:, :-2] / width[:-1]
    return torch.minimum(rising, falling).clamp_min(0)


class MelSpectrogram(nn.Module):
    """Waveform to normalised decibels; window and filters come from the checkpoint."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.mel_stft = nn.Module()
        self.mel_stft.spectrogram = nn.Module()
        self.mel_stft.spectrogram.register_buffer("window", torch.empty(N_FFT))
        self.mel_stft.mel_scale = nn.Module()
        self.mel_stft.mel_scale.register_buffer("fb", torch.empty(N_FFT // 2 + 1, bands))

    def decibels(self, wave: Tensor) -> Tensor:
        """[B, N] at 24 kHz to power in dB, [B, bands, N // 240]; the frame centred on the end is dropped."""
        window = self.get_buffer("mel_stft.spectrogram.window")
        spectrum = torch.stft(
            wave, N_FFT, HOP, window=window, center=True, pad_mode="reflect", normalized=False, return_complex=True
        )
        power = spectrum.abs().square()
        mel = torch.matmul(power.transpose(1, 2), self.get_buffer("mel_stft.mel_scale.fb")).transpose(1, 2)
        return (10.0 * mel.clamp_min(FLOOR).log10())[..., :-1]

    def forward(self, wave: Tensor) -> Tensor:
        """[B, N] to [B, bands, N // 240], normalised."""
        return (self.decibels(wave) - MEAN_DB) / STD_DB
