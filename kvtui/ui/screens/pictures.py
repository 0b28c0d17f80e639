"""What machines show on their screens, live: one large picture, or a grid of those that were marked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.worker import Worker

from kvtui.backends.base import Screens
from kvtui.config import Settings, state_dir
from kvtui.errors import KvtuiError
from kvtui.fleet import Fleet
from kvtui.model import FeedState, Ref, Tone
from kvtui.records.kubevirt import VirtualMachineInstance
from kvtui.resources.base import AnyResource
from kvtui.text import age
from kvtui.ui.bar import Bar, Piece
from kvtui.ui.gallery import Drawing, Grid, Order, Shot, carry_out, in_sight, plan_grid, save
from kvtui.ui.hacks import write_to_terminal
from kvtui.ui.kitty import KittyPictures, is_kitty
from kvtui.ui.panes.footer import entry
from kvtui.ui.panes.tile import PictureTile, PictureView
from kvtui.ui.pictures import PictureError

_REFRESH: Final = 2.0
"""Seconds between two looks at a machine."""
_REFRESH_SLOW_LINK: Final = 10.0
_AT_ONCE: Final = 4
"""Requests under way: each makes a hypervisor read out a screen."""
_TICK: Final = 0.25
_ZOOMS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_WAYS: Final = {"auto": "as it suits the picture", "dots": "with dots, for text", "blocks": "with blocks, for colours"}


class PicturesScreen(Screen[Ref | None]):
    """Looks at machines until it is left; the result is the machine whose console is wanted, if any."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v", "leave", "back"),
        Binding("left,h", "move(-1, 0)", "left", show=False),
        Binding("right,l", "move(1, 0)", "right", show=False),
        Binding("up,k", "move(0, -1)", "up", show=False),
        Binding("down,j", "move(0, 1)", "down", show=False),
        Binding("pagedown,tab", "turn(1)", "next page", show=False),
        Binding("pageup,shift+tab", "turn(-1)", "previous page", show=False),
        Binding("home,g", "go(0)", "first", show=False),
        Binding("end,G", "go(-1)", "last", show=False),
        Binding("enter", "enlarge", "large"),
        Binding("plus,equals_sign", "zoom(1)", "zoom in"),
        Binding("minus", "zoom(-1)", "zoom out"),
        Binding("d", "way", "dots or blocks"),
        Binding("c", "console", "console"),
        Binding("o,ctrl+s", "save", "save"),
        Binding("space", "pause", "pause"),
        Binding("r", "look_again", "look again"),
    ]

    def __init__(self, fleet: Fleet, resource: AnyResource, refs: Sequence[Ref], settings: Settings) -> None:
        """`resource` tells how the machines `refs` fare."""
        super().__init__()
        self._fleet = fleet
        self._resource = resource
        self._refs = tuple(refs)
        self._settings = settings
        self._interval = _REFRESH_SLOW_LINK if settings.slow_link else _REFRESH
        self._cursor = 0
        self._alone = len(self._refs) == 1
        self._paused = False
        self._way: str = settings.console.pictures
        self._zoom = 1.0
        self._place: tuple[float, float] | None = None
        """Where the user moved the part that is shown; None follows the text."""
        self._large: Drawing | None = None
        """What is shown of the picture that stands alone."""
        self._grid = Grid(1, 1)
        self._shots: dict[Ref, Shot] = {}
        """Of the page that is in sight."""
        self._asking: dict[Ref, Worker[None]] = {}
        self._drawing: set[Ref] = set()
        self._kitty: KittyPictures | None = None
        # One thread: a picture decoded is large, and two at once would not be ready sooner.
        self._artist = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._heading = Bar(classes="pictures-heading")
        self._body = Container(id="pictures")
        self._keys = Bar(classes="pictures-keys")

    def compose(self) -> ComposeResult:
        """Heading, tiles, keys."""
        yield self._heading
        yield self._body
        yield self._keys

    async def on_mount(self) -> None:
        """Arrange the tiles and begin to look."""
        self._kitty = self._find_kitty()
        await self._arrange()
        self.set_interval(_TICK, self._look)
        self.set_interval(1.0, self._tell)

    def on_unmount(self) -> None:
        """Leave nothing behind: not a thread, not a picture in the terminal."""
        self._artist.shutdown(wait=False, cancel_futures=True)
        if self._kitty is not None:
            self._kitty.forget()

    def _find_kitty(self) -> KittyPictures | None:
        colours = self.app.console.color_system
        if self.app.no_color or colours not in ("truecolor", "256"):
            return None
        if self._way != "kitty" and not (self._way == "auto" and is_kitty(os.environ)):
            return None
        return KittyPictures(
            lambda sequence: write_to_terminal(self.app, sequence),
            true_colour=colours == "truecolor",
            tmux="TMUX" in os.environ,
        )

    # Arrangement ---------------------------------------------------------------------------------------------------

    async def on_resize(self, _event: events.Resize) -> None:
        """Arrange for the new size."""
        if self.is_mounted:
            await self._arrange()

    @property
    def _page(self) -> Sequence[Ref]:
        return in_sight(self._refs, self._cursor, self._grid)

    @property
    def _shown(self) -> Sequence[Ref]:
        return (self._refs[self._cursor],) if self._alone else self._page

    @property
    def _tiles(self) -> dict[Ref, PictureTile]:
        return {tile.ref: tile for tile in self._body.query_children(PictureTile)}

    async def _arrange(self) -> None:
        """A tile for each machine in sight. What is no more in sight is asked for no more."""
        width, height = self.size
        self._grid = plan_grid(len(self._refs), width, height - 2)
        shown = self._shown
        self._shots = {ref: self._shots.get(ref) or Shot() for ref in dict.fromkeys((*self._page, *shown))}
        for ref in [ref for ref in self._asking if ref not in shown]:
            self._asking.pop(ref).cancel()
        shape = Grid(1, 1) if self._alone else self._grid
        self._body.styles.grid_size_columns, self._body.styles.grid_size_rows = shape
        before = self._tiles
        if tuple(before) != tuple(shown):
            with self.app.batch_update():
                await self._body.remove_children()
                await self._body.mount_all(PictureTile(ref) for ref in shown)
        self._tell()
        self._look()

    def on_picture_view_resized(self, event: PictureView.Resized) -> None:
        """Draw the picture for its new room."""
        event.stop()
        tile = event.view.parent
        if isinstance(tile, PictureTile):
            tile.drawn = None
            self._show(tile)

    # Looking -------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Ask for what is due, a few at a time, the tile of the cursor first."""
        if self._paused:
            return
        now = asyncio.get_running_loop().time()
        shown = self._shown
        for ref in sorted(shown, key=lambda ref: (ref != self._refs[self._cursor], self._shots[ref].due)):
            if len(self._asking) >= _AT_ONCE:
                return
            if ref not in self._asking and self._shots[ref].due <= now and not self._absence(ref):
                self._shots[ref].due = now + self._interval
                self._asking[ref] = self.run_worker(self._ask(ref, self._shots[ref]), group="pictures")

    async def _ask(self, ref: Ref, shot: Shot) -> None:
        backend = self._fleet.backends[ref.backend]
        before = shot.digest, shot.trouble
        try:
            if not isinstance(backend, Screens):
                raise KvtuiError(f"{ref.backend} has no pictures of screens")
            data = await backend.take_screenshot(ref)
            if not data:
                raise PictureError("the server sent an empty picture")
            shot.take(data, self._fleet.clock())
        except KvtuiError as error:
            shot.fail(error, asyncio.get_running_loop().time())
        finally:
            self._asking.pop(ref, None)
        tile = self._tiles.get(ref)
        if tile is not None and self._shots.get(ref) is shot:
            if (shot.digest, shot.trouble) != before or not tile.view.has_picture:
                self._show(tile)
            self._title(tile)
        self._look()

    def _absence(self, ref: Ref) -> str:
        """Why there is no screen to look at, as far as the store knows; empty when there should be one."""
        view = self._fleet.view
        if self._resource.row(view, ref) is None:
            return "this VM is gone"
        if view.feed(ref.backend, VirtualMachineInstance.KIND).state is not FeedState.LIVE:
            return ""
        vmi = view.get(VirtualMachineInstance, ref.backend, ref.namespace, ref.name)
        if vmi is None or vmi.is_final:
            return "no screen: the VM does not run"
        if vmi.status.phase != "Running":
            return "no screen yet: the VM does not run yet"
        return ""

    def _health(self, ref: Ref) -> tuple[str, Tone]:
        row = self._resource.row(self._fleet.view, ref)
        if row is None:
            return "gone", Tone.WARN
        health = self._resource.health(row, self._fleet.clock())
        return health.word, health.tone

    # Drawing -------------------------------------------------------------------------------------------------------

    def _show(self, tile: PictureTile) -> None:
        """Show what is known of a machine's screen."""
        shot = self._shots.get(tile.ref)
        width, height = tile.view.size
        if shot is None or not width or not height:
            return
        absence = self._absence(tile.ref)
        if absence:
            shot.drop("")
        if absence or not shot.data:
            tile.drawn = None
            tile.view.show_words(absence or shot.trouble or ("paused" if self._paused else "looking ..."))
            return
        tile.view.note(shot.trouble)
        order = self._order(shot, width, height)
        if tile.drawn != order and tile.ref not in self._drawing:
            self._drawing.add(tile.ref)
            self.run_worker(self._draw(tile, shot, order), group="drawing")

    def _order(self, shot: Shot, width: int, height: int) -> Order:
        sends = self._kitty is not None and self._way in ("auto", "kitty")
        pixels = self._kitty.most_pixels(width, height) if self._kitty is not None and sends else None
        zoom, place = (self._zoom, self._place) if self._alone else (1.0, None)
        return Order(shot.digest, width, height, self._way, not self.app.no_color, zoom, place, pixels)

    async def _draw(self, tile: PictureTile, shot: Shot, order: Order) -> None:
        try:
            loop = asyncio.get_running_loop()
            drawing = await loop.run_in_executor(self._artist, carry_out, order, shot.data)
        except KvtuiError as error:
            shot.drop(str(error))
            drawing = None
        finally:
            self._drawing.discard(tile.ref)
        if not tile.is_mounted or self._shots.get(tile.ref) is not shot:
            return
        if drawing is not None and shot.data:
            self._put_up(tile, shot, order, drawing)
        # Meanwhile another picture may have come, or other room.
        self._show(tile)

    def _put_up(self, tile: PictureTile, shot: Shot, order: Order, drawing: Drawing) -> None:
        strips = drawing.strips
        if drawing.png and self._kitty is not None:
            strips = self._kitty.show(list(self._tiles).index(tile.ref), drawing.png, *drawing.frame[:2])
        tile.drawn = order
        if self._alone:
            self._large = drawing
        tile.view.show_picture(strips, shot.trouble)

    # Words ---------------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Once a second: titles, the heading, and machines that stopped or started."""
        for tile in self._tiles.values():
            self._title(tile)
            if bool(self._absence(tile.ref)) == tile.view.has_picture or not tile.view.has_picture:
                self._show(tile)
        self._draw_heading()

    def _title(self, tile: PictureTile) -> None:
        word, tone = self._health(tile.ref)
        chosen = tile.ref == self._refs[self._cursor] and len(self._refs) > 1
        name = [Piece(f"{tile.ref.path}  ", "title"), Piece(f"{word} ", tone.value)]
        if len(self._fleet.backends) > 1:
            name.insert(0, Piece(f"{tile.ref.backend} ", "muted", rank=1))
        tile.show_title(name, self._age(self._shots.get(tile.ref)), chosen=chosen)

    def _age(self, shot: Shot | None) -> list[Piece]:
        """How old a picture is; one that is as new as it can be is live."""
        if shot is None or shot.taken is None:
            return []
        old = self._fleet.clock() - shot.taken
        if not self._paused and not shot.trouble and old < 2 * self._interval + 1:
            return [Piece(" live ", "ok")]
        return [Piece(f" {age(old)} old ", "warn")]

    def _draw_heading(self) -> None:
        left = [Piece(" Screens ", "title")]
        count = len(self._refs)
        if count > 1:
            left.append(Piece(f" {self._cursor + 1} of {count} VMs "))
        if not self._alone and count > self._grid.size:
            pages = -(-count // self._grid.size)
            left.append(Piece(f" page {self._cursor // self._grid.size + 1} of {pages} "))
        if self._alone and self._zoom > 1:
            left.append(Piece(f" zoomed {self._zoom:g} times ", "accent"))
        state = Piece(" PAUSED ", "alarm") if self._paused else Piece(f" every {self._interval:g}s ", "muted", rank=1)
        self._heading.set_pieces(left, [state])
        self._keys.set_pieces([Piece(" "), *self._key_pieces()])

    def _key_pieces(self) -> list[Piece]:
        moves = "move" if self._alone and self._zoom > 1 else "other VM"
        keys = [("escape", "back", 0)]
        if self._alone:
            keys += [("plus", "zoom", 2), ("minus", "less", 2)]
        else:
            keys.append(("enter", "large", 2))
        keys += [("c", "console", 3), ("o", "save", 4), ("space", "go on" if self._paused else "pause", 5)]
        keys += [("d", "dots or blocks", 6), ("r", "look again", 8)]
        pieces = [piece for key, word, rank in keys for piece in entry(key, word, rank=rank)]
        if len(self._refs) > 1 or (self._alone and self._zoom > 1):
            pieces.append(Piece(f"arrows {moves}  ", rank=7))
        return pieces

    # Keys ----------------------------------------------------------------------------------------------------------

    async def action_leave(self) -> None:
        """From one of several back to all, else to the list."""
        if self._alone and len(self._refs) > 1:
            await self._stand_alone(False)
        else:
            self.dismiss(None)

    async def action_enlarge(self) -> None:
        """Show the picture of the cursor alone."""
        if not self._alone:
            await self._stand_alone(True)

    async def _stand_alone(self, alone: bool) -> None:
        self._alone = alone
        self._zoom, self._place = 1.0, None
        await self._arrange()

    async def action_move(self, across: int, down: int) -> None:
        """Move to another tile, or within a large picture that is zoomed."""
        if self._alone and self._zoom > 1:
            self._pan(across, down)
        elif self._alone:
            await self._go(self._cursor + across + down)
        else:
            await self._go(self._cursor + across + down * self._grid.columns)

    async def action_turn(self, by: int) -> None:
        """Turn a page."""
        await self._go(self._cursor + by * (1 if self._alone else self._grid.size), clamp=True)

    async def action_go(self, index: int) -> None:
        """Go to the first machine or to the last."""
        await self._go(index % len(self._refs))

    async def _go(self, index: int, *, clamp: bool = False) -> None:
        if clamp:
            index = min(max(0, index), len(self._refs) - 1)
        if 0 <= index < len(self._refs) and index != self._cursor:
            self._cursor = index
            self._zoom, self._place = 1.0, None
            await self._arrange()

    async def on_picture_tile_picked(self, event: PictureTile.Picked) -> None:
        """Choose the tile that was clicked; a click on the chosen one shows it large."""
        event.stop()
        index = self._refs.index(event.tile.ref)
        if index == self._cursor:
            await self.action_enlarge()
        await self._go(index)

    async def action_zoom(self, by: int) -> None:
        """Show less of the picture and that larger, or more of it."""
        if not self._alone:
            await self._stand_alone(True)
        self._zoom = _ZOOMS[min(max(0, _ZOOMS.index(self._zoom) + by), len(_ZOOMS) - 1)]
        if self._zoom == 1:
            self._place = None
        self._redraw()

    def _pan(self, across: int, down: int) -> None:
        if self._large is not None:
            self._place = self._large.moved(across, down)
            self._redraw()

    def action_way(self) -> None:
        """Draw with dots, with blocks, or as it suits."""
        ways = list(_WAYS)
        here = ways.index(self._way) if self._way in ways else 0
        self._way = ways[(here + 1) % len(ways)]
        self.notify(f"drawn {_WAYS[self._way]}", timeout=3)
        self._redraw()

    def _redraw(self) -> None:
        for tile in self._tiles.values():
            self._show(tile)
        self._draw_heading()

    def action_pause(self) -> None:
        """Keep the pictures as they are, or go on."""
        self._paused = not self._paused
        self._tell()
        self._look()

    def action_look_again(self) -> None:
        """Take new pictures of all that is in sight, also of what was refused."""
        self._paused = False
        for shot in self._shots.values():
            shot.due = 0.0
        self._tell()
        self._look()

    def action_console(self) -> None:
        """Leave for the serial console of the machine."""
        self.dismiss(self._refs[self._cursor])

    def action_save(self) -> None:
        """Keep the picture of the cursor in a file."""
        self.run_worker(self._save(self._refs[self._cursor]), group="saving")

    async def _save(self, ref: Ref) -> None:
        shot = self._shots.get(ref)
        if shot is None or not shot.data:
            self.notify(f"there is no picture of {ref.path} to save", severity="warning")
            return
        try:
            path = await asyncio.get_running_loop().run_in_executor(
                self._artist, save, shot.data, state_dir() / "screenshots", ref
            )
        except KvtuiError as error:
            self.notify(str(error), severity="error", timeout=10)
        else:
            self.notify(f"saved {path}", timeout=8)
