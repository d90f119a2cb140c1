"""The memory of the caches as a setting, and the settings that it replaced."""

import pytest

from lazytile.pyramid.core.memory_size import machine_memory_bytes
from lazytile.service.app.processes import settings_of_one
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.settings import Settings
from lazytile.service.http.settings_file import unknown_variables


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


def test_the_watermark_is_a_size_as_the_memory_of_caches_is(monkeypatch):
    assert Settings.of().memory_watermark_bytes == machine_memory_bytes() * 9 // 10
    monkeypatch.setenv("LAZYTILE_MEMORY_WATERMARK_BYTES", "50%")
    assert Settings.of().memory_watermark_bytes == machine_memory_bytes() // 2
    assert Settings.of(memory_watermark_bytes="1GiB").memory_watermark_bytes == 1 << 30
    with pytest.raises(SettingsError, match="setting memory_watermark_bytes: must be a size such as 2GiB"):
        Settings.of(memory_watermark_bytes="lots")
    with pytest.raises(SettingsError, match="setting memory_watermark_bytes: input should be greater"):
        Settings.of(memory_watermark_bytes="1MiB")


def test_each_server_process_has_its_part_of_the_watermark(tmp_path):
    settings = Settings.of(memory_watermark_bytes="1GiB", memory_bytes="256MiB")
    assert settings_of_one(settings, 4, tmp_path).memory_watermark_bytes == 256 << 20


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


def test_a_settings_file_comes_after_options_and_environment(tmp_path, monkeypatch):
    path = tmp_path / "lazytile.toml"
    path.write_text('timeout_s = 60\nqueue_length = 7\nmemory_bytes = "64MiB"\n[layer_max_age_s]\nsst = 600\n')
    settings = Settings.of(settings_file=path, queue_length=9)
    assert (settings.timeout_s, settings.queue_length) == (60, 9)
    assert (settings.memory_bytes, settings.layer_max_age_s) == (64 << 20, {"sst": 600})
    monkeypatch.setenv("LAZYTILE_SETTINGS_FILE", str(path))
    monkeypatch.setenv("LAZYTILE_TIMEOUT_S", "5")
    monkeypatch.setenv("LAZYTILE_MEMORY", "32MiB")
    settings = Settings.of()
    assert (settings.timeout_s, settings.queue_length, settings.memory_bytes) == (5, 7, 32 << 20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timeout_s = -1", "setting timeout_s: input should be greater than 0"),
        ("color = 1", "setting color: there is no setting color; "),
        ("timeout = 1", "setting timeout: there is no setting timeout; the nearest is timeout_s"),
        ("qeue_length = 1", "setting qeue_length: there is no setting qeue_length; the nearest is queue_length"),
        ("timeout_s = = 1", "is no TOML"),
        ("a = " + "[" * 5000, "is no TOML"),
    ],
)
def test_an_invalid_settings_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "lazytile.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as raised:
        Settings.of(settings_file=path)
    assert "\n" not in str(raised.value)
    with pytest.raises(SettingsError, match="No such file"):
        Settings.of(settings_file=tmp_path / "none.toml")


def test_a_running_server_keeps_its_address_and_processes():
    old = Settings.of(port=1, timeout_s=10)
    new, waiting = old.reloaded(Settings.of(port=2, timeout_s=20, workers=3))
    assert (new.port, new.timeout_s, new.workers) == (1, 20, None)
    assert waiting == ["port", "workers"]


def test_every_problem_of_a_file_is_named(tmp_path):
    path = tmp_path / "lazytile.toml"
    path.write_text('timeout_s = -1\nprot = 3\nport = "x"\n')
    with pytest.raises(SettingsError) as raised:
        Settings.of(settings_file=path)
    names = {problem.split(":")[0] for problem in raised.value.problems}
    assert names == {"setting timeout_s", "setting prot", "setting port"}
    assert all("\n" not in problem for problem in raised.value.problems)


def test_a_file_over_the_limit_is_not_read_in_part(tmp_path):
    path = tmp_path / "lazytile.toml"
    path.write_text("timeout_s = 60\n" + "#" * (2 << 20))
    with pytest.raises(SettingsError, match="it may have 1048576 bytes"):
        Settings.of(settings_file=path)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [("LAZYTILE_PROT", "LAZYTILE_PORT"), ("LAZYTILE_TIMEOUT", "LAZYTILE_TIMEOUT_S"), ("LAZYTILE_XYZZY", "")],
)
def test_variables_that_mean_nothing_are_named(variable, nearest):
    environ = {variable: "1", "LAZYTILE_PORT": "1", "LAZYTILE_MEMORY": "1", "LAZYTILE_GPU_MEMORY": "1", "PATH": "x"}
    [found] = unknown_variables(Settings.model_fields, environ)
    assert (found.name, found.nearest) == (variable, nearest)
    assert variable in str(found)
    assert nearest in str(found)


def test_lists_in_the_environment(monkeypatch):
    for text in ("10.0.0.0/8, 1.2.3.4", '["10.0.0.0/8", "1.2.3.4"]'):
        monkeypatch.setenv("LAZYTILE_TRUSTED_PROXIES", text)
        assert Settings.of().trusted_proxies == ("10.0.0.0/8", "1.2.3.4")
    monkeypatch.setenv("LAZYTILE_LAYER_MAX_AGE_S", "sst")
    with pytest.raises(SettingsError, match="setting layer_max_age_s: LAZYTILE_LAYER_MAX_AGE_S is no JSON"):
        Settings.of()
