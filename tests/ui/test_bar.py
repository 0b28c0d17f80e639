"""Bars give way by rank."""

from __future__ import annotations

from kvtui.ui.bar import Piece, give_way


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


LEFT = [Piece("kvtui "), Piece("KubeVirt ", rank=5), Piece("ok ", rank=5), Piece("CDI ", rank=6)]
RIGHT = [Piece("3 problems")]


def test_all_pieces_stand_where_there_is_room() -> None:
    left, right = give_way(LEFT, RIGHT, 40)
    assert (text(left), text(right)) == ("kvtui KubeVirt ok CDI ", "3 problems")


def test_pieces_of_one_rank_go_together_the_greatest_first() -> None:
    assert text(give_way(LEFT, RIGHT, 30)[0]) == "kvtui KubeVirt ok "
    assert text(give_way(LEFT, RIGHT, 26)[0]) == "kvtui "


def test_what_never_gives_way_is_cut_from_the_left_part() -> None:
    left, right = give_way(LEFT, RIGHT, 14)
    assert (text(left), text(right)) == ("kvt…", "3 problems")


def test_control_characters_are_replaced_and_blanks_kept() -> None:
    assert text(give_way([Piece(" \x1b[2Ja ")], [], 40)[0]) == " \ufffd[2Ja "
