"""Everything the technical metrics share about one clip, computed on first use and once."""

from functools import cached_property

from evalkit.evaluators._dynamics import Silence, clipped_samples, find_silence
from evalkit.evaluators._spectrum import Spectrum, measure_spectrum
from evalkit.evaluators._stereo import frame_correlations
from evalkit.signal.frames import Array, CellSums, NotMeasurable, cell_sums
from evalkit.signal.heard import weighted_power
from evalkit.signal.loudness import integrated_loudness, loudness_blocks, true_peak
from evalkit.types import Audio, Clip


class Analysis:
    """One clip under measurement; the samples are never written to."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.audio: Audio = clip.mix

    @cached_property
    def sums(self) -> CellSums:
        """Sums over milliseconds."""
        return cell_sums(self.audio)

    @cached_property
    def powers(self) -> Array:
        """Mean squares over milliseconds [cells]."""
        return self.sums.powers

    @cached_property
    def power(self) -> float:
        """Mean square of all samples."""
        return float(self.sums.squares.sum()) / self.audio.samples.size

    @cached_property
    def peak(self) -> float:
        """Largest absolute sample."""
        return float(max(self.audio.samples.max(), -self.audio.samples.min()))

    @cached_property
    def true_peak(self) -> float:
        """Linear true peak.

        Raises:
            NotMeasurable: digital silence.
        """
        found = true_peak(self.audio)
        if found <= 0.0:
            raise NotMeasurable("digital silence")
        return found

    @cached_property
    def weighted(self) -> tuple[Array, Array]:
        """K-weighted mean squares and products, see `evalkit.signal.loudness.weighted_blocks`."""
        return weighted_power(self.clip, "mix")

    @cached_property
    def loudness_blocks(self) -> Array:
        """Channel-weighted loudness power [blocks]."""
        return loudness_blocks(self.weighted[0])

    @cached_property
    def loudness(self) -> float:
        """Integrated loudness in LUFS."""
        return integrated_loudness(self.loudness_blocks)

    @cached_property
    def clipped(self) -> int:
        """Clipped samples of all channels."""
        return clipped_samples(self.audio)

    @cached_property
    def silence(self) -> Silence:
        """Where it is silent."""
        return find_silence(self.sums.squares, self.sums.lengths, self.audio.sample_rate)

    @cached_property
    def spectrum(self) -> Spectrum:
        """Long-term spectrum."""
        return measure_spectrum(self.audio)

    @cached_property
    def correlations(self) -> Array:
        """Left/right correlation of active frames.

        Raises:
            NotMeasurable: not two channels, or no frame with sound in both.
        """
        self.check_stereo()
        return frame_correlations(self.sums)

    def check_stereo(self) -> None:
        """Refuse what has no left and right."""
        if self.audio.channels == 1:
            raise NotMeasurable("mono: there is only one channel")
        if self.audio.channels != 2:
            raise NotMeasurable(f"defined for two channels, not {self.audio.channels}")

    def stem_loudness(self, name: str) -> float:
        """Integrated loudness of a stem in LUFS; its gates leave out the pauses.

        Raises:
            NotMeasurable: there is no such stem, or it is silent or too short.
        """
        if name not in self.clip.stems:
            raise NotMeasurable(f"the system makes no {name} stem")
        try:
            return integrated_loudness(loudness_blocks(weighted_power(self.clip, name)[0]))
        except NotMeasurable as reason:
            raise NotMeasurable(f"{name} stem: {reason}") from reason
