"""What machines show on their screens, live: one large picture, or a grid of those that were marked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.worker import Worker

from kvtui.config import Settings, state_dir
from kvtui.errors import KvtuiError
from kvtui.fleet import Fleet
from kvtui.model import Ref, Tone
from kvtui.resources.base import AnyResource
from kvtui.text import age, cells, fit
from kvtui.ui.bar import Bar, Piece
from kvtui.ui.hacks import StackedApp, write_to_terminal
from kvtui.ui.panes.footer import entry
from kvtui.ui.panes.tile import PictureTile, PictureView
from kvtui.ui.pictures.gallery import Drawing, Grid, Order, carry_out, in_sight, plan_grid, save
from kvtui.ui.pictures.kitty import KittyPictures, is_kitty
from kvtui.ui.pictures.shots import Photographer, Shot
from kvtui.ui.pictures.sixel import SixelPictures

_REFRESH: Final = 2.0
"""Seconds between two looks at a machine."""
_REFRESH_SLOW_LINK: Final = 10.0
_TICK: Final = 0.25
_ZOOMS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_LEAST_NAME: Final = 12
_AROUND_NAME: Final = 14
"""Columns of a title beside the name and the status: marker, blanks, and the age."""
_WAYS: Final = {"auto": "as it suits the picture", "dots": "with dots, for text", "blocks": "with blocks, for colours"}
_PIXELS: Final = "in true pixels"
"""As it suits the picture, where the terminal shows them."""


class PicturesScreen(Screen[Ref | None]):
    """Looks at machines until it is left; the result is the machine whose console is wanted, if any."""

    TITLE = "Screens"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,v", "leave", "back", tooltip="from a large picture to all, from all to the list"),
        Binding("left,h", "move(-1, 0)", "left", show=False, tooltip="to the left; when zoomed, within the picture"),
        Binding("right,l", "move(1, 0)", "right", show=False),
        Binding("up,k", "move(0, -1)", "up", show=False),
        Binding("down,j", "move(0, 1)", "down", show=False),
        Binding("pagedown,tab", "turn(1)", "next page", show=False, tooltip="the next page, or the next picture"),
        Binding("pageup,shift+tab", "turn(-1)", "previous page", show=False, tooltip="the page before"),
        Binding("home,g", "go(0)", "first", show=False),
        Binding("end,G", "go(-1)", "last", show=False),
        Binding("enter", "enlarge", "large", tooltip="the chosen picture alone"),
        Binding("plus,equals_sign", "zoom(1)", "zoom in"),
        Binding("minus", "zoom(-1)", "zoom out"),
        Binding("d", "way", "dots or blocks", tooltip="draw in another way: pixels, dots or blocks"),
        Binding("c", "console", "console", tooltip="the serial console of the VM"),
        Binding("o,ctrl+s", "save", "save", tooltip="save the picture to a file"),
        Binding("space", "pause", "pause", tooltip="keep the pictures as they are, or go on"),
        Binding("r", "look_again", "look again", tooltip="take new pictures, also of what was refused"),
    ]

    def __init__(self, fleet: Fleet, resource: AnyResource, refs: Sequence[Ref], settings: Settings) -> None:
        """`resource` tells how the machines `refs` fare."""
        super().__init__()
        self._fleet = fleet
        self._resource = resource
        self._refs = tuple(refs)
        self._settings = settings
        interval = _REFRESH_SLOW_LINK if settings.slow_link else _REFRESH
        self._photographer = Photographer(fleet, resource, interval, self._begin, self._on_shot)
        self._cursor = 0
        self._alone = len(self._refs) == 1
        self._way: str = settings.console.pictures
        self._zoom = 1.0
        self._place: tuple[float, float] | None = None
        """Where the user moved the part that is shown; None follows the text."""
        self._large: Drawing | None = None
        """What is shown of the picture that stands alone."""
        self._grid = Grid(1, 1)
        self._drawing: set[PictureTile] = set()
        self._kitty: KittyPictures | None = None
        self._sixels: SixelPictures | None = None
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
        self._sixels = self._find_sixels()
        await self._arrange()
        self.set_interval(_TICK, self._photographer.look)
        self.set_interval(1.0, self._tell)

    def on_unmount(self) -> None:
        """Leave nothing behind: not a thread, not a picture in the terminal."""
        self._artist.shutdown(wait=False, cancel_futures=True)
        if self._kitty is not None:
            self._kitty.forget()
        if isinstance(self.app, StackedApp):
            self.app.overlay = None

    def _find_kitty(self) -> KittyPictures | None:
        colours = self.app.console.color_system
        if self.app.no_color or colours not in ("truecolor", "256"):
            return None
        # Textual scrolls smoothly where the terminal answered that it tells its size in band, with pixels.
        says_so = is_kitty(os.environ, sizes_in_band=self.app.supports_smooth_scrolling)
        if self._way == "sixel" or not (self._way == "kitty" or says_so):
            return None
        return KittyPictures(
            lambda sequence: write_to_terminal(self.app, sequence),
            true_colour=colours == "truecolor",
            tmux="TMUX" in os.environ,
        )

    def _find_sixels(self) -> SixelPictures | None:
        if self.app.no_color or self._kitty is not None or not isinstance(self.app, StackedApp):
            return None
        sixels = SixelPictures(
            lambda sequence: write_to_terminal(self.app, sequence),
            lambda: self.app.size.height,
            self._redraw,
            wanted=self._way == "sixel",
        )
        self.app.overlay = sixels
        return sixels

    # Arrangement ---------------------------------------------------------------------------------------------------

    async def on_resize(self, _event: events.Resize) -> None:
        """Arrange for the new size."""
        if self._sixels is not None:
            self._sixels.ask_again()
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
        shape = Grid(1, 1) if self._alone else self._grid
        self._body.styles.grid_size_columns, self._body.styles.grid_size_rows = shape
        before = self._tiles
        if tuple(before) != tuple(shown):
            with self.app.batch_update():
                await self._body.remove_children()
                await self._body.mount_all(PictureTile(ref) for ref in shown)
            if self._sixels is not None:
                self._sixels.keep(id(tile.view) for tile in self._tiles.values())
        here = self._refs[self._cursor]
        self._photographer.watch((here, *(ref for ref in shown if ref != here)), self._page)
        self._tell()

    def on_picture_view_resized(self, event: PictureView.Resized) -> None:
        """Draw the picture for its new room."""
        event.stop()
        tile = event.view.parent
        if isinstance(tile, PictureTile):
            tile.drawn = None
            self._show(tile)
            self._title(tile)

    # Drawing -------------------------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None]) -> Worker[None]:
        return self.run_worker(work, group="pictures")

    def _on_shot(self, ref: Ref) -> None:
        tile = self._tiles.get(ref)
        if tile is not None:
            self._show(tile)
            self._title(tile)

    def _show(self, tile: PictureTile) -> None:
        """Show what is known of a machine's screen."""
        shot = self._photographer.shot(tile.ref)
        width, height = tile.view.size
        if shot is None or not width or not height:
            return
        absence = self._photographer.absence(tile.ref)
        if absence:
            shot.drop()
        if absence or not shot.data:
            tile.drawn = None
            waiting = "paused" if self._photographer.paused else "looking ..."
            tile.view.show_words(absence or shot.trouble or waiting)
            return
        tile.view.note(shot.trouble)
        order = self._order(shot, width, height)
        if tile.drawn != order and tile not in self._drawing:
            self._drawing.add(tile)
            self.run_worker(self._draw(tile, shot, order), group="drawing")

    def _order(self, shot: Shot, width: int, height: int) -> Order:
        wanted = self._way not in ("blocks", "dots")
        pixels = self._kitty.most_pixels(width, height) if self._kitty is not None and wanted else None
        canvas = self._sixels.canvas if self._sixels is not None and wanted else None
        zoom, place = (self._zoom, self._place) if self._alone else (1.0, None)
        return Order(shot.digest, width, height, self._way, not self.app.no_color, zoom, place, pixels, canvas)

    async def _draw(self, tile: PictureTile, shot: Shot, order: Order) -> None:
        try:
            drawing = await asyncio.get_running_loop().run_in_executor(self._artist, carry_out, order, shot.data)
            if tile.is_mounted and shot.data:
                self._put_up(tile, shot, order, drawing)
        except KvtuiError as error:
            shot.drop(str(error))
            self._title(tile)
        finally:
            self._drawing.discard(tile)
        # Meanwhile another picture may have come, or other room.
        if tile.is_mounted:
            self._show(tile)

    def _put_up(self, tile: PictureTile, shot: Shot, order: Order, drawing: Drawing) -> None:
        strips = drawing.strips
        if drawing.png and self._kitty is not None:
            strips = self._kitty.show(list(self._tiles).index(tile.ref), drawing.png, *drawing.frame[:2])
        if drawing.plate is not None and self._sixels is not None:
            strips = self._sixels.show(id(tile.view), drawing.plate, strips, tile.view.picture_offset)
        tile.drawn = order
        if self._alone:
            self._large = drawing
        tile.view.show_picture(strips, shot.trouble)

    # Words ---------------------------------------------------------------------------------------------------------

    def _health(self, ref: Ref) -> tuple[str, Tone]:
        row = self._resource.row(self._fleet.view, ref)
        if row is None:
            return "gone", Tone.WARN
        health = self._resource.health(row, self._fleet.clock())
        return health.word, health.tone

    def _tell(self) -> None:
        """Once a second: titles, the heading, and machines that stopped or started."""
        for tile in self._tiles.values():
            self._title(tile)
            if not tile.view.has_picture or self._photographer.absence(tile.ref):
                self._show(tile)
        self._draw_heading()

    def _title(self, tile: PictureTile) -> None:
        word, tone = self._health(tile.ref)
        chosen = tile.ref == self._refs[self._cursor] and len(self._refs) > 1
        room = max(_LEAST_NAME, tile.size.width - cells(word) - _AROUND_NAME)
        path = tile.ref.path if cells(tile.ref.path) <= room else fit(tile.ref.path, room)
        name = [Piece(f"{path}  ", "title"), Piece(f"{word} ", tone.value)]
        if len(self._fleet.backends) > 1:
            name.insert(0, Piece(f"{tile.ref.backend} ", "muted", rank=1))
        tile.show_title(name, self._age(self._photographer.shot(tile.ref)), chosen=chosen)

    def _age(self, shot: Shot | None) -> list[Piece]:
        """How old a picture is; one that is as new as it can be is live."""
        if shot is None or shot.taken is None:
            return []
        old = self._fleet.clock() - shot.taken
        if not self._photographer.paused and not shot.trouble and old < 2 * self._photographer.interval + 1:
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
        pace = Piece(f" every {self._photographer.interval:g}s ", "muted", rank=1)
        self._heading.set_pieces(left, [Piece(" PAUSED ", "alarm") if self._photographer.paused else pace])
        self._keys.set_pieces([Piece(" "), *self._key_pieces()])

    def _key_pieces(self) -> list[Piece]:
        moves = "move" if self._alone and self._zoom > 1 else "other VM"
        keys = [("escape", "back", 0)]
        if self._alone:
            keys += [("plus", "zoom", 2), ("minus", "less", 2)]
        else:
            keys.append(("enter", "large", 2))
        keys += [("c", "console", 3), ("o", "save", 4), ("space", "go on" if self._photographer.paused else "pause", 5)]
        if not self._alone and len(self._refs) > self._grid.size:
            keys.append(("pagedown", "next page", 2))
        if not self.app.no_color:
            keys.append(("d", "pixels, dots or blocks" if self._shows_pixels else "dots or blocks", 6))
        keys += [("r", "look again", 8), ("question_mark", "help", 1)]
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
        else:
            self.notify("it stands alone already: + shows less of it, and that larger", timeout=4)

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
            by = max(0, by)
        wanted = _ZOOMS.index(self._zoom) + by
        if not 0 <= wanted < len(_ZOOMS):
            self.notify("all of the picture is shown" if by < 0 else "it is as large as it gets", timeout=4)
            return
        self._zoom = _ZOOMS[wanted]
        if self._zoom == 1:
            self._place = None
        self._redraw()

    def _pan(self, across: int, down: int) -> None:
        if self._large is not None:
            self._place = self._large.moved(across, down)
            self._redraw()

    def action_way(self) -> None:
        """Draw in true pixels where the terminal can, with dots, with blocks, or as it suits."""
        if self.app.no_color:
            self.notify("drawn with dots: blocks are nothing but colours, and NO_COLOR is set", timeout=5)
            return
        ways = list(_WAYS)
        here = ways.index(self._way) if self._way in ways else 0
        self._way = ways[(here + 1) % len(ways)]
        best = self._way == "auto" and self._shows_pixels
        self.notify(f"drawn {_PIXELS if best else _WAYS[self._way]}", timeout=3)
        self._redraw()

    @property
    def _shows_pixels(self) -> bool:
        return self._kitty is not None or (self._sixels is not None and self._sixels.canvas is not None)

    def _redraw(self) -> None:
        for tile in self._tiles.values():
            self._show(tile)
        self._draw_heading()

    def action_pause(self) -> None:
        """Keep the pictures as they are, or go on."""
        self._photographer.paused = not self._photographer.paused
        self._tell()
        self._photographer.look()

    def action_look_again(self) -> None:
        """Take new pictures of all that is in sight, also of what was refused."""
        self._photographer.paused = False
        self._photographer.again()
        self._tell()

    def action_console(self) -> None:
        """Leave for the serial console of the machine."""
        self.dismiss(self._refs[self._cursor])

    def action_save(self) -> None:
        """Keep the picture of the cursor in a file."""
        self.run_worker(self._save(self._refs[self._cursor]), group="saving")

    async def _save(self, ref: Ref) -> None:
        shot = self._photographer.shot(ref)
        if shot is None or not shot.data:
            self.notify(f"there is no picture of {self._fleet.name(ref)} to save", severity="warning")
            return
        try:
            path = await asyncio.get_running_loop().run_in_executor(
                self._artist, save, shot.data, state_dir() / "screenshots", ref
            )
        except KvtuiError as error:
            self.notify(str(error), severity="error", timeout=10)
        else:
            self.notify(f"saved {path}", timeout=8)
