"""The table of live rows: cursor and marks stay with their rows, and only changed lines are painted."""

from __future__ import annotations

import pytest
from textual.geometry import Region

from kvtui.ui.hacks import record_frames, screen_text
from tests.ui.rows import Machine, Machines, TableApp, machines


def lines(app: TableApp) -> list[str]:
    return screen_text(app).splitlines()


class Paints:
    """Which regions of the table were asked to be painted anew; an empty region stands for all of it."""

    def __init__(self, app: TableApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self.regions: list[Region] = []
        refresh = app.table.refresh

        def record(*regions: Region, **options: bool) -> object:
            self.regions += regions or (Region(),)
            return refresh(*regions, **options)

        monkeypatch.setattr(app.table, "refresh", record)


async def test_rows_stand_under_their_header() -> None:
    app = TableApp(machines(3))
    async with app.run_test(size=(40, 6)) as pilot:
        await pilot.pause()
        assert lines(app)[:4] == [
            "  NAME    STATUS    AGE",
            "> vm-000  Running  100s",
            "  vm-001  Running  100s",
            "  vm-002  Running  100s",
        ]


async def test_a_changed_row_paints_its_own_line_only(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp(machines(500))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        paints = Paints(app, monkeypatch)
        app.rows.by_name["vm-004"].status = "Failed"
        app.table.update_rows(("vm-004",), moved=False)
        await pilot.pause()
        assert paints.regions == [Region(0, 5, 40, 1)]
        assert "Failed" in lines(app)[5]


async def test_a_change_that_does_not_show_paints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp(machines(500))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        paints = Paints(app, monkeypatch)
        app.table.update_rows(("vm-004", "vm-005"), moved=False)
        assert paints.regions == []


async def test_a_hidden_row_paints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp(machines(500))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        paints = Paints(app, monkeypatch)
        app.rows.by_name["vm-400"].status = "Failed"
        app.table.update_rows(("vm-400",), moved=False)
        assert paints.regions == []
        await pilot.press("end")
        assert app.table.cursor == "vm-499"
        app.table.move_to("vm-400")
        await pilot.pause()
        assert any("vm-400" in line and "Failed" in line for line in lines(app))


async def test_when_most_lines_changed_all_are_painted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp(machines(500))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        paints = Paints(app, monkeypatch)
        for machine in app.rows.by_name.values():
            machine.status = "Failed"
        app.table.update_rows(app.rows.keys[:15], moved=False)
        assert paints.regions == [Region()]


async def test_only_the_bytes_of_the_line_go_to_the_terminal() -> None:
    app = TableApp(machines(500))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        frames = record_frames(app)
        app.rows.by_name["vm-004"].status = "Failed"
        app.table.update_rows(("vm-004",), moved=False)
        await pilot.pause()
        sent = "".join(frames)
        assert "Failed" in sent
        assert "vm-005" not in sent
        assert len(sent.encode()) < 400


async def test_time_repaints_only_rows_whose_text_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TableApp(machines(5))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.pause()
        paints = Paints(app, monkeypatch)
        app.table.tick()
        assert paints.regions == []
        app.rows.time += 0.4
        app.table.tick()
        assert paints.regions == []
        app.rows.time += 1
        app.table.tick()
        await pilot.pause()
        assert len(paints.regions) == 5
        assert "101s" in lines(app)[1]


async def test_the_cursor_stays_on_its_row_when_others_come_and_go() -> None:
    app = TableApp(machines(10))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.press("down", "j", "down")
        assert app.table.cursor == "vm-003"
        app.rows.by_name["aa"] = Machine("aa")
        del app.rows.by_name["vm-001"], app.rows.by_name["vm-002"]
        app.table.update_rows(("aa", "vm-001", "vm-002"), moved=True)
        await pilot.pause()
        assert app.table.cursor == "vm-003"
        assert [line[:8] for line in lines(app) if line.startswith(">")] == ["> vm-003"]


async def test_a_scrolled_table_does_not_jump_when_rows_come_above() -> None:
    app = TableApp(machines(200))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.press("end", "up", "up", "up")
        before = lines(app)
        for number in range(7):
            app.rows.by_name[f"aa-{number}"] = Machine(f"aa-{number}")
        app.table.update_rows((), moved=True)
        await pilot.pause()
        assert [line[:30] for line in lines(app)[:18]] == [line[:30] for line in before[:18]]


async def test_a_vanished_row_leaves_the_cursor_in_its_place() -> None:
    app = TableApp(machines(3))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.press("end")
        del app.rows.by_name["vm-002"]
        app.table.update_rows(("vm-002",), moved=True)
        cursor = app.table.cursor
        assert cursor == "vm-001"
        app.rows.by_name.clear()
        app.table.show_message("no machines")
        app.table.update_rows((), moved=True)
        await pilot.pause()
        assert app.table.cursor is None
        assert lines(app)[1] == "  no machines"


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (("G",), "vm-199"),
        (("end", "home"), "vm-000"),
        (("pagedown",), "vm-018"),
        (("pagedown", "pageup"), "vm-000"),
        (("G", "g"), "vm-000"),
        (("j", "j", "k"), "vm-001"),
        (("up",), "vm-000"),
    ],
)
async def test_keys_move_the_cursor(keys: tuple[str, ...], name: str) -> None:
    app = TableApp(machines(200))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.press(*keys)
        assert app.table.cursor == name
        assert any(line.startswith(f"> {name}") for line in lines(app))


async def test_marks_belong_to_rows() -> None:
    app = TableApp(machines(10))
    async with app.run_test(size=(40, 20)) as pilot:
        app.table.toggle_mark()
        assert app.table.cursor == "vm-001"
        app.rows.by_name["aa"] = Machine("aa")
        app.table.update_rows(("aa",), moved=True)
        await pilot.press("down", "down")
        app.table.mark_range()
        await pilot.pause()
        assert list(app.table.marks) == ["vm-000", "vm-001", "vm-002", "vm-003"]
        assert lines(app)[2].startswith(" *vm-000")
        del app.rows.by_name["vm-000"]
        app.table.update_rows(("vm-000",), moved=True)
        assert list(app.table.marks) == ["vm-001", "vm-002", "vm-003"]
        assert app.table.clear_marks()
        assert not app.table.clear_marks()


async def test_the_mouse_chooses_opens_and_sorts() -> None:
    app = TableApp(machines(10))
    async with app.run_test(size=(40, 20)) as pilot:
        await pilot.click(app.table, offset=(5, 4))
        assert app.table.cursor == "vm-003"
        await pilot.click(app.table, offset=(5, 6), times=2)
        assert app.activated == ["vm-005"]
        await pilot.click(app.table, offset=(15, 0))
        assert app.picked == [1]


async def test_a_long_text_gets_the_room_that_others_do_not_use() -> None:
    rows = Machines([Machine("a"), Machine("b", status="ErrorUnschedulable")])
    app = TableApp(rows)
    async with app.run_test(size=(36, 6)) as pilot:
        await pilot.pause()
        assert "ErrorUnschedulable" in lines(app)[2]


async def test_columns_come_back_when_a_long_text_is_gone() -> None:
    rows = Machines([Machine("a"), Machine("b", status="ErrorUnschedulable")])
    app = TableApp(rows)
    async with app.run_test(size=(27, 6)) as pilot:
        await pilot.pause()
        assert "AGE" not in lines(app)[0]
        rows.by_name["b"].status = "Running"
        app.table.update_rows(("b",), moved=False)
        for _ in range(2):
            rows.time += 6
            app.table.tick()
        await pilot.pause()
        assert "AGE" in lines(app)[0]


async def test_columns_do_not_move_at_each_step_of_the_cursor() -> None:
    app = TableApp(Machines([Machine(f"{number:03}-" + "x" * (number // 3)) for number in range(12)]))
    async with app.run_test(size=(60, 5)) as pilot:
        await pilot.pause()
        heads = set()
        for _ in range(7):
            await pilot.press("down")
            await pilot.pause()
            heads.add(lines(app)[0])
        assert len(heads) <= 2


async def test_names_with_control_characters_and_markup_are_shown_as_they_are() -> None:
    rows = Machines([Machine("a[/b]", status="\x1b[31mred")])
    app = TableApp(rows)
    async with app.run_test(size=(40, 6)) as pilot:
        await pilot.pause()
        assert "a[/b]" in lines(app)[1]
        assert "\x1b" not in screen_text(app)
