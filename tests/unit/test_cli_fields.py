"""Forms filled by options of the command line."""

from __future__ import annotations

import pytest

from kvtui.cli.fields import describe_fields, fill_form, tell_answers
from kvtui.errors import ConfigError
from kvtui.resources.autostart import autostart_form
from kvtui.resources.form import Choice, Form, Option, Toggle

_DISKS = Form("delete shop/catalog-3", (Toggle("disk_catalog-3-root", "catalog-3-root"), Toggle("keep_all", "keep")))
_STRATEGY = Form(
    "run strategy of shop/catalog-3",
    (Choice("strategy", "run strategy", options=[Option("Always", reason="it is so already"), Option("Manual")],
            named=True),),
)  # fmt: skip


def test_a_disk_with_hyphens_in_its_name_can_be_named() -> None:
    assert fill_form(_DISKS, {"disk-catalog-3-root": None}).answers.flag("disk_catalog-3-root")
    assert fill_form(_DISKS, {"disk_catalog-3-root": "yes"}).answers.flag("disk_catalog-3-root")
    assert not fill_form(_DISKS, {"no-disk-catalog-3-root": None}).answers.flag("disk_catalog-3-root")
    assert not fill_form(_DISKS, {}).answers.flag("disk_catalog-3-root"), "nothing goes that was not named"


def test_what_is_not_there_is_told_with_what_there_is() -> None:
    with pytest.raises(ConfigError, match="has no --disk-catalog-4") as caught:
        fill_form(_DISKS, {"disk-catalog-4": None})
    assert "--disk-catalog-3-root, --keep-all" in caught.value.detail


def test_a_field_can_be_given_by_another_name_unless_that_is_a_field_of_its_own() -> None:
    form = Form("f", (Toggle("disk_root", "root", also=("disk_vda", "disk_data")), Toggle("disk_data", "data")))
    for given, names in (("disk-vda", {"disk_root"}), ("disk-data", {"disk_data"}), ("no-disk-vda", set())):
        answers = fill_form(form, {given: None}).answers
        assert {name for name in ("disk_root", "disk_data") if answers.flag(name)} == names


def test_what_no_dialog_asks_is_told_only_where_it_was_given() -> None:
    form = Form("f", (Toggle("all", "all of them", shown=False), Toggle("keep", "keep")))
    assert tell_answers(fill_form(form, {})) == ["keep: no"]
    assert tell_answers(fill_form(form, {"all": None})) == ["all of them: yes", "keep: no"]


def test_what_does_not_go_without_saying_has_to_be_named() -> None:
    with pytest.raises(ConfigError, match="needs --strategy") as caught:
        fill_form(_STRATEGY, {})
    assert caught.value.detail == "there is Manual"
    assert fill_form(_STRATEGY, {"strategy": "Manual"}).answers.text("strategy") == "Manual"
    assert "(needed)" in "".join(describe_fields(_STRATEGY))


def test_yes_or_no_that_has_to_be_named_is_told_with_both_options() -> None:
    form = autostart_form("mail-1", now=False)
    with pytest.raises(ConfigError, match="autostart of mail-1 needs --autostart") as caught:
        fill_form(form, {})
    assert caught.value.detail == "--autostart or --no-autostart; it is off now"
    assert fill_form(form, {"autostart": None}).answers.flag("autostart")
    assert not fill_form(form, {"no-autostart": None}).answers.flag("autostart")
