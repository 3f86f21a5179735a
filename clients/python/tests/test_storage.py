"""Settings: what Python keeps, what Rust kept, and what somebody else put there."""

from __future__ import annotations

import json
import multiprocessing
import os
from datetime import UTC, datetime, timedelta, timezone
from math import inf, isnan, nan
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import bgtask
from bgtask import ApplicationDataContainer, Point, Rect, Size, TypedValue, _key_names, storage, values
from bgtask._key_names import Named, file_name, key_of

MOMENT = datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=UTC)
VALUES: list[tuple[Any, str, Any]] = [
    (True, "bool", True),
    (5, "i32", 5),
    (-(1 << 31), "i32", -2147483648),
    (1 << 31, "i64", 2147483648),
    ((1 << 64) - 1, "u64", 18446744073709551615),
    (1.5, "f64", "1.5"),
    (inf, "f64", "inf"),
    ("Grüße 👾\n\0", "str", "Grüße 👾\n\0"),
    (b"\x00\xff", "bytes", "00ff"),
    (UUID(int=7), "guid", "00000000-0000-0000-0000-000000000007"),
    (MOMENT, "datetime", 1709209800123456),
    (timedelta(days=1, microseconds=1), "timespan", 86400000001),
    (Point(1, 2.5), "point", ["1.0", "2.5"]),
    (Size(1, 2), "size", ["1.0", "2.0"]),
    (Rect(1, 2, 3, 4), "rect", ["1.0", "2.0", "3.0", "4.0"]),
    ([1, 1 << 40], "i64[]", [1, 1099511627776]),
    (["a", "b"], "str[]", ["a", "b"]),
    ([Point(1, 2)], "point[]", [["1.0", "2.0"]]),
    ([True, "a", {"b": 1}], "list", [{"bool": True}, {"str": "a"}, {"set": {"b": {"i32": 1}}}]),
    ({"a": 1, "in": {"b": [True]}}, "set", {"a": {"i32": 1}, "in": {"set": {"b": {"bool[]": [True]}}}}),
]


@pytest.fixture
def settings(tmp_path: Path) -> ApplicationDataContainer:
    return ApplicationDataContainer(tmp_path / "data")


def file_of(settings: ApplicationDataContainer, key: str) -> Path:
    return settings._path(key)


@pytest.mark.parametrize(("value", "kind", "written"), VALUES, ids=lambda it: ascii(it)[:30])
def test_every_value_comes_back_and_stands_in_its_file(
    settings: ApplicationDataContainer, value: Any, kind: str, written: Any
) -> None:
    settings["it"] = value
    assert settings["it"] == value and type(settings["it"]) is type(value)
    assert json.loads(file_of(settings, "it").read_text()) == {"key": "it", kind: written}


@pytest.mark.parametrize("kind", [*values._ELEMENTS, "bytes"])
def test_the_exact_type_can_be_said(settings: ApplicationDataContainer, kind: str) -> None:
    """REQ-5: for readers in other languages, which may insist on it."""
    some = {"f32": 0.5, "char16": "x", "bytes": b"x"} | {name: value for value, name, _ in VALUES} | {"bool": True}
    value = some.get(kind, 7)
    settings["it"] = TypedValue(kind, value)
    assert settings["it"] == value
    if kind not in ("u8", "bytes"):
        settings["them"] = TypedValue(f"{kind}[]", [value, value])
        assert settings["them"] == [value, value]
        settings["none"] = TypedValue(f"{kind}[]", [])
        assert settings["none"] == []


def test_not_a_number_and_other_zones_are_kept(settings: ApplicationDataContainer) -> None:
    settings["nan"] = nan
    assert isnan(settings["nan"])
    settings["when"] = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert settings["when"] == MOMENT


def test_it_is_a_mapping(settings: ApplicationDataContainer) -> None:
    assert (settings.get("x"), "x" in settings, len(settings), list(settings)) == (None, False, 0, [])
    with pytest.raises(KeyError):
        settings["x"]
    with pytest.raises(KeyError):
        del settings["x"]
    settings.update(b=1, a=2)
    assert (list(settings.items()), "a" in settings) == ([("a", 2), ("b", 1)], True)
    del settings["a"]
    assert dict(settings) == {"b": 1}
    settings.clear()
    assert not settings


def test_change_is_a_step_of_its_own(settings: ApplicationDataContainer) -> None:
    assert settings.change("runs", lambda runs: (runs or 0) + 1) == 1
    assert settings.change("runs", lambda runs: runs + 1) == 2
    assert settings.change("runs", lambda _runs: None) is None
    assert "runs" not in settings


def _count(folder: Path, times: int) -> None:
    settings = ApplicationDataContainer(folder)
    for _time in range(times):
        settings.change("count", lambda count: (count or 0) + 1)


def test_processes_do_not_lose_each_others_changes(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    others = [spawn.Process(target=_count, args=(tmp_path, 50)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    assert ApplicationDataContainer(tmp_path)["count"] == 150


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(
    settings: ApplicationDataContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings["a"] = 1
    monkeypatch.setattr(storage, "LOCK_WAIT", 0.01)
    with settings._lock(), pytest.raises(bgtask.SettingsBusyError, match="end it"):
        settings["a"] = 2
    assert settings["a"] == 1, "readers do not wait"
    settings["a"] = 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"key":"it"}',
        b'{"i32":1}',
        b'{"key":7,"i32":1}',
        b'{"key":"it","i32":1,"i64":1}',
        b'{"key":"it","i32":1.5}',
        b'{"key":"it","i32":true}',
        b'{"key":"it","i32":2147483648}',
        b'{"key":"it","i32":NaN}',
        b'{"key":"it","f64":1.5}',
        b'{"key":"it","f64":"x"}',
        b'{"key":"it","bytes":"0"}',
        b'{"key":"it","bytes":7}',
        b'{"key":"it","u8[]":[1]}',
        b'{"key":"it","guid":"x"}',
        b'{"key":"it","guid":7}',
        b'{"key":"it","datetime":9223372036854775807}',
        b'{"key":"it","point":["1"]}',
        b'{"key":"it","char16":70000}',
        b'{"key":"it","later":1}',
        b'{"key":"it","set":{"a":1}}',
        b'{"key":"it","set":{"a":{"i32":1,"i64":1}}}',
        b'{"key":"it","set":' + b'{"a":{"set":' * 100_000,
        b'{"key":"another","i32":1}',
        b"9" * 10_000,
        b" " * (600 << 10),
    ],
    ids=lambda content: ascii(content[:40]),
)
def test_what_is_no_value_is_damaged_and_setting_it_again_repairs_it(
    settings: ApplicationDataContainer, content: bytes
) -> None:
    settings["it"] = 1
    file_of(settings, "it").write_bytes(content)
    with pytest.raises(bgtask.DamagedSettingError, match="set it again or remove it"):
        settings["it"]
    assert "it" in settings
    settings["it"] = 2
    assert settings["it"] == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "\ud800", 7, None])
def test_keys_that_cannot_be_are_refused(settings: ApplicationDataContainer, key: Any) -> None:
    with pytest.raises(bgtask.InvalidArgumentError):
        settings[key] = 1
    with pytest.raises(bgtask.InvalidArgumentError):
        settings[key]


HOSTILE_KEYS = ["../x", "..", ".", ".lock", ".new", "a/b", "/etc/passwd", "\0", "a\nb", "%41", "A", "~x", "ключ", " "]


@pytest.mark.parametrize("key", [*HOSTILE_KEYS, "名" * 255, "x" * 255])
def test_hostile_keys_get_harmless_names_that_lead_back(settings: ApplicationDataContainer, key: str) -> None:
    name = file_name(key)
    assert len(name) <= 240 and name.isascii() and "/" not in name and not name.startswith(".")
    assert key_of(name) == (Named.INSIDE if name.startswith("~") else key)
    settings[key] = key
    assert (settings[key], list(settings)) == (key, [key])
    folder = file_of(settings, key).parent
    assert set(os.listdir(folder)) == {".lock", name}


def test_names_nobody_wrote_have_no_key(settings: ApplicationDataContainer) -> None:
    for name in ["", ".lock", ".new", "%4", "%zz", "%41", "%ff", "a b", "é", "%2b"]:
        assert key_of(name) is Named.NOTHING, name
    assert _key_names._hash("a") == 0xD228CB696F1A8CAF78912B704E4A8964, "the published one"


def test_every_bound_is_told(settings: ApplicationDataContainer, monkeypatch: pytest.MonkeyPatch) -> None:
    settings["most"] = "x" * bgtask.MAX_VALUE_BYTES
    with pytest.raises(bgtask.LimitReachedError, match="8193 bytes, at most 8192"):
        settings["more"] = "x" * (bgtask.MAX_VALUE_BYTES + 1)
    settings["set"] = {"a": "x" * 60_000}
    with pytest.raises(bgtask.LimitReachedError, match="at most 65536"):
        settings["set"] = {"a": "x" * 70_000}
    deep: dict[str, Any] = {}
    for _level in range(bgtask.MAX_SET_DEPTH - 1):
        deep = {"in": deep}
    settings["deep"] = deep
    with pytest.raises(bgtask.InvalidArgumentError, match="sets within sets"):
        settings["deep"] = {"in": deep}
    monkeypatch.setattr(storage, "MAX_KEYS", 3)
    with pytest.raises(bgtask.LimitReachedError, match="one more than the 3"):
        settings["fourth"] = 1
    settings["most"] = "there is always room for another value"


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(bgtask.SettingsError, match="cannot create the folder"):
        ApplicationDataContainer(tmp_path / "file")


SHARED = os.environ.get("BGTASK_SETTINGS_OF_RUST")


@pytest.mark.skipif(SHARED is None, reason="cargo test gives a folder that the Rust library wrote")
def test_what_rust_wrote_is_read_and_the_other_way_round() -> None:
    """PR-6: an app in one language and its task in another. What is written here, `programs/tests/python.rs` reads."""
    assert SHARED is not None
    theirs = ApplicationDataContainer(SHARED)
    expected = {f"rust {kind}": value for value, kind, _ in VALUES if kind not in ("i32", "f64")}
    expected |= {"rust i32": 5, "rust f64": 1.5, "rust u32[]": [320, 1280], "rust f32": 0.5, "rust char16": "x"}
    expected |= {"rust " + "名" * 200: "a long key"}
    assert {key: value for key, value in theirs.items() if key.startswith("rust ")} == expected
    for value, kind, _ in VALUES:
        theirs[f"python {kind}"] = value
    theirs.update({"python i32": 5, "python f64": 1.5})
    theirs["python u32[]"] = TypedValue("u32[]", [320, 1280])
    theirs["python f32"] = TypedValue("f32", 0.5)
    theirs["python char16"] = TypedValue("char16", "x")
    theirs["python " + "名" * 200] = "a long key"
