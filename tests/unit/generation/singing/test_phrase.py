from generation.singing.phrase import find_nuclei


def spans(text: str, **options: bool) -> list[str]:
    return [text[start:end] for start, end in find_nuclei(tuple(text), **options)]


def test_whole_diphthongs_and_their_neighbours_are_separate_syllables():
    assert spans("ɡˈOɪŋ") == ["O", "ɪ"]


def test_marks_belong_to_the_vowel_and_glides_join_it():
    assert spans("kʰa→n") == ["a→"]
    assert spans("ʦou↓") == ["ou↓"]
    assert spans("bˈɔ̃") == ["ɔ̃"]
    assert spans("ɡˈeːə") == ["eː", "ə"]


def test_moras_are_never_joined():
    assert spans("iɕio", split_all=True) == ["i", "i", "o"]
    assert spans("kʲoː", split_all=True) == ["oː"]


def test_consonants_alone_have_no_nucleus():
    assert spans("pst ") == []
