"""A QEMU that hangs, and one that others only keep busy: told apart by what libvirt says of its monitor."""

from __future__ import annotations

from kvtui.backends.libvirt.silence import HUNG, Silences


def look(silences: Silences, *looks: tuple[float, float | None]) -> bool:
    """Looks that find no figures, each with its moment and for how long the monitor has been occupied then."""
    for moment, occupied in looks:
        silences.note_silence("db", moment, occupied)
    return silences.is_hung("db")


def test_a_qemu_that_owes_one_answer_for_long_hangs_and_not_before_the_third_look() -> None:
    silences = Silences()
    assert not look(silences, (10.0, HUNG + 1), (11.0, HUNG + 2))
    assert look(silences, (12.0, HUNG + 3))
    silences.note_answer("db")
    assert not silences.is_hung("db")
    assert not silences


def test_a_qemu_that_answers_one_question_of_another_client_after_the_other_does_not_hang() -> None:
    assert not look(Silences(), *((3.0 * at, 0.05) for at in range(100)))


def test_a_qemu_that_took_long_for_one_question_begins_anew_with_the_next() -> None:
    silences = Silences()
    assert not look(silences, (0.0, 0.1), (3.0, 3.1), (8.0, 0.1), (14.1, 6.2))
    # The third look that finds it with the same question.
    assert look(silences, (15.0, 7.1))


def test_a_domain_of_which_libvirt_does_not_say_with_what_it_is_occupied_gets_longer() -> None:
    silences = Silences()
    assert not look(silences, *((3.0 * at, None) for at in range(7)))
    assert look(silences, (21.0, None))


def test_a_qemu_that_hung_before_the_connection_was_cut_hangs_until_it_answers_or_ends() -> None:
    silences = Silences()
    silences.keep_hung("db", 0.0)
    assert silences.is_hung("db")
    silences.keep_only({"web"})
    assert not silences.is_hung("db")
