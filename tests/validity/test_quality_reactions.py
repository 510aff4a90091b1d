"""Real songs of the singer with known damage: the matching measures move with the dose, the others stay."""

import pytest
from validity.quality_reactions import DAMAGES, VOICE_DAMAGES, VOICE_S, react

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.models, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _models(model_dir):
    for name in ("kokoro", "gm-soundfont", "dnsmos", "distillmos"):
        model_dir(name)


@pytest.mark.parametrize("name", DAMAGES)
def test_the_sound(name):
    for reaction in react(["three-en"], DAMAGES, [name]):
        assert reaction.holds, f"{reaction.metric}: {reaction.values}"


@pytest.mark.parametrize("name", [name for name in VOICE_DAMAGES if "gain" not in name])
def test_the_voice(name):
    for reaction in react(["three-en"], VOICE_DAMAGES, [name], seconds=VOICE_S, every=2):
        assert reaction.holds, f"{reaction.metric}: {reaction.values}"
