"""The memory of the caches as a setting, and the settings that it replaced."""

import pytest

from lazytile.pyramid.core.memory_size import machine_memory_bytes
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.settings import Settings


@pytest.fixture(autouse=True)
def _no_memory_in_the_environment(monkeypatch):
    monkeypatch.delenv("LAZYTILE_MEMORY", raising=False)


def test_memory_from_option_environment_and_default(monkeypatch):
    assert Settings.of().memory_bytes == machine_memory_bytes() // 8
    monkeypatch.setenv("LAZYTILE_MEMORY", "512MB")
    assert Settings.of().memory_bytes == 512_000_000
    assert Settings.of(memory_bytes="2GiB").memory_bytes == 2 << 30, "an option wins"
    assert Settings.of(memory_bytes=64 << 20).memory_bytes == 64 << 20
    assert Settings.of(memory_bytes="50%").memory_bytes == machine_memory_bytes() // 2


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("lots", "setting memory_bytes: must be a size such as 2GiB, 512MB or 25%, got 'lots'"),
        ("120%", "setting memory_bytes: must be a size such as 2GiB, 512MB or 25%, got '120%'"),
        ("512", "setting memory_bytes: must be 0 or at least 1 MiB, got '512'; write the unit, as in 512MB"),
        (-1, "setting memory_bytes: input should be greater than or equal to 0"),
    ],
)
def test_what_is_no_memory(value, complaint, monkeypatch):
    with pytest.raises(SettingsError) as caught:
        Settings.of(memory_bytes=value)
    assert str(caught.value) == complaint
    monkeypatch.setenv("LAZYTILE_MEMORY", str(value))
    with pytest.raises(SettingsError, match="setting memory_bytes: "):
        Settings.of()


@pytest.mark.parametrize("name", ["memory_cache_bytes", "chunk_cache_bytes", "value_cache_bytes"])
def test_replaced_settings_name_the_new_one(name, monkeypatch):
    with pytest.raises(SettingsError) as caught:
        Settings.of(**{name: 1 << 20})
    expected = "setting {} no longer exists: set --memory or LAZYTILE_MEMORY, the memory of all caches"
    assert str(caught.value) == expected.format(name)
    monkeypatch.setenv(f"LAZYTILE_{name.upper()}", "1048576")
    with pytest.raises(SettingsError) as caught:
        Settings.of()
    assert str(caught.value) == expected.format(f"LAZYTILE_{name.upper()}")


def test_without_tile_cache_tiles_and_values_have_no_memory():
    limits = Settings.of(memory_bytes=64 << 20, no_tile_cache=True).cache_budget.limits()
    assert limits["tiles"] == limits["values"] == 0
    assert sum(limits.values()) == 64 << 20
