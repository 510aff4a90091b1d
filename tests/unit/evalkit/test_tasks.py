"""Which songs are measured together."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from evalkit.tasks import MAX_TOGETHER, TOGETHER_S, Group, Grouping, Task, songs_together
from evalkit.types import Prompt, Song

PROMPT = Prompt(id="p", language="en")


def task(number: int, duration_s: float | None, evaluators: tuple[str, ...] = ("ears",)) -> Task:
    song = Song(prompt_id="p", system="s", take=number, seed=1, status="ok", duration_s=duration_s)
    return Task(song=song, prompt=PROMPT, evaluators=evaluators)


def grouped(tasks: Sequence[Task], most: int = MAX_TOGETHER) -> list[Group]:
    grouping = Grouping({"ears", "other ears"}, most)
    groups = [group for one in tasks for group in grouping.add(one)]
    groups += grouping.flush()
    assert grouping.flush() == []
    return groups


TASKS = st.lists(
    st.builds(
        task,
        st.just(0),
        st.none() | st.sampled_from([0.0, 15.0, 30.0, 40.0, TOGETHER_S]) | st.floats(0.0, 400.0),
        st.sampled_from([("ears",), ("ears", "plain"), ("plain",), ("other ears",)]),
    ),
    max_size=40,
)


@given(TASKS, st.integers(1, MAX_TOGETHER))
def test_every_song_is_in_one_group_and_no_group_is_too_large(drawn: list[Task], most: int) -> None:
    tasks = [task(number, one.song.duration_s, one.evaluators) for number, one in enumerate(drawn)]
    groups = grouped(tasks, most)
    assert sorted(one.song.take for group in groups for one in group) == list(range(len(tasks)))
    for group in groups:
        assert 1 <= len(group) <= most
        assert len({one.evaluators for one in group}) == 1
        assert [one.song.take for one in group] == sorted(one.song.take for one in group), "in order"
        if len(group) > 1:
            assert sum(one.song.duration_s or 0.0 for one in group) <= TOGETHER_S
            assert all(one.song.duration_s is not None for one in group)
            assert group[0].evaluators != ("plain",), "nobody gains from it"
    for evaluators in {one.evaluators for one in tasks}:
        short = [
            one.song.take
            for group in groups
            for one in group
            if one.evaluators == evaluators and (one.song.duration_s or 999.0) <= TOGETHER_S
        ]
        assert short == sorted(short), "groups come in order too"


def test_songs_fill_a_group_by_length_and_by_number() -> None:
    assert [len(group) for group in grouped([task(n, 30.0) for n in range(10)])] == [4, 4, 2]
    assert [len(group) for group in grouped([task(n, 5.0) for n in range(10)])] == [8, 2]
    assert [len(group) for group in grouped([task(n, 5.0) for n in range(10)], 3)] == [3, 3, 3, 1]
    assert [len(group) for group in grouped([task(0, 60.0), task(1, 270.0), task(2, 60.0)])] == [1, 2]


def test_a_group_is_complete_as_soon_as_no_song_fits() -> None:
    grouping = Grouping({"ears"}, 2)
    first, second, third = (task(n, 50.0) for n in range(3))
    assert [grouping.add(one) for one in (first, second, third)] == [[], [(first, second)], []]
    assert grouping.flush() == [(third,)]
    grouping = Grouping({"ears"})
    assert [grouping.add(one) for one in (first, second, third)] == [[], [], [(first, second)]]
    assert grouping.add(task(3, None)) == [(task(3, None),)]


def test_few_songs_are_shared_by_all_workers() -> None:
    assert [songs_together(n, 2) for n in (0, 1, 2, 3, 9, 1000)] == [1, 1, 1, 2, 5, MAX_TOGETHER]
    assert songs_together(100, 64) == 2
    assert songs_together(4, 0) == 4
