"""Rescaling a colormap to another range, uniform bins, and arrays of another library."""

import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazytile.colormaps.compiled.palette import Palette, compile_colormap
from lazytile.colormaps.compiled.uniform_cuts import even_cuts
from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.formats.gibs import read_gibs
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.colormaps.synthesis.rescale import finite_range, fitted, rescaled
from tests.colormaps.formats.test_gibs import document, entry
from tests.colormaps.slow import FILES, neighbours
from tests.shared import shared

THREE = document(
    entry("[0,1)", "1,1,1", 'ref="1"') + entry("[1,2)", "2,2,2", 'ref="2"') + entry("[2,4)", "3,3,3", 'ref="3"')
)


def edges_of(colormap):
    return [(e.value[0].lower, e.value[0].upper) for e in colormap.main_part.entries]


def test_keep_even_and_log():
    colormap = read_gibs(THREE, "three")
    infinity = float("inf")
    assert edges_of(rescaled(colormap, 10, 50)) == [(-infinity, 20), (20, 30), (30, infinity)]
    even = edges_of(rescaled(colormap, 10, 40, spacing="even"))
    assert even == [(-infinity, 20), (20, 30), (30, infinity)]
    log = edges_of(rescaled(colormap, 1, 1000, spacing="log"))
    assert [upper for _, upper in log[:2]] == pytest.approx([10, 100])
    assert finite_range(colormap) == (0, 4)


def test_values_beyond_the_range_take_the_end_colours():
    palette = compile_colormap(read_gibs(THREE, "three"), rescale=(10, 50))
    assert palette.index_of(np.array([-np.inf, 9, 20, 30, 50, np.inf, np.nan])).tolist() == [1, 1, 2, 3, 3, 3, 0]


def test_the_own_range_is_kept_with_spacing_alone():
    entries = "".join(entry(f"[{10.0**n},{10.0 ** (n + 1)})", f"{n + 5},0,0", f'ref="{n}"') for n in range(-2, 2))
    colormap = read_gibs(document(entries), "log")
    even = edges_of(rescaled(colormap, spacing="even"))
    assert [upper for _, upper in even[:-1]] == pytest.approx([25.0075, 50.005, 75.0025])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 5), "a range must rise"),
        ((5, 1), "a range must rise"),
        ((float("nan"), 1), "a range must rise"),
        ((0, float("inf")), "a range must rise"),
        ((-1e308, 1e308), "a range must rise"),
    ],
)
def test_impossible_ranges(arguments, message):
    with pytest.raises(ColormapError, match=message):
        rescaled(read_gibs(THREE, "three"), *arguments)


def test_what_cannot_be_spread():
    with pytest.raises(ColormapError, match="positive"):
        rescaled(read_gibs(THREE, "three"), 0, 5, spacing="log")
    with pytest.raises(ColormapError, match="spacing must be keep, even, log"):
        rescaled(read_gibs(THREE, "three"), 0, 5, spacing="cubic")
    with pytest.raises(ColormapError, match="classes"):
        rescaled(ColormapCatalog().find("classes"), 0, 5)
    with pytest.raises(ColormapError, match="no range of values"):
        rescaled(read_gibs(document(entry("[-INF,0)"), legend='<Legend type="continuous"/>'), "half"), 0, 5)


@pytest.mark.parametrize("file", FILES or ["none"])
def test_every_continuous_real_file_can_be_spread(file):
    colormap = read_gibs(shared("colormaps", file))
    if colormap.is_classification:
        with pytest.raises(ColormapError):
            rescaled(colormap, 1, 100)
        return
    for spacing in ("keep", "even", "log"):
        palette = compile_colormap(colormap, rescale=(1, 100), spacing=spacing)
        assert palette.rgba.tolist() == compile_colormap(colormap).rgba.tolist()
        shown = palette.index_of(np.geomspace(1, 100, 500))
        assert len(set(shown.tolist())) > len(palette.rgba) / 4


def test_relative_colormaps_take_the_range_of_the_data():
    lagoon = ColormapCatalog().find("lagoon")
    assert lagoon.relative
    rescale_to = fitted(lagoon, 200.0, 300.0, "K")
    assert not rescale_to.relative
    assert rescale_to.units == "K"
    assert finite_range(rescale_to) == (200.0, 300.0)
    assert compile_colormap(fitted(lagoon, 5.0, 5.0)).index_of(np.array([5.0]))[0] > 1
    three = read_gibs(THREE, "three")
    assert fitted(three, 200.0, 300.0) is three
    assert compile_colormap(lagoon, data_units="K", rescale=(200, 300)) == compile_colormap(rescale_to, data_units="K")


def searched(palette, values):
    """The index by search alone."""
    twin = Palette(palette.rgba, palette.cuts, palette.slots, palette.conversion)
    object.__setattr__(twin, "even", None)
    return twin.index_of(values)


@settings(max_examples=150, deadline=None)
@given(
    first=st.floats(-1e6, 1e6) | st.integers(-1000, 1000).map(float),
    step=st.sampled_from([0.15, 0.1, 0.5, 1.0, 0.25, 1 / 3, 1e-3, 7.0, 1e-9]),
    count=st.integers(4, 250),
    wobble=st.sampled_from([0.0, 0.0, 1e-12, 0.01, 0.4, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_even_cuts_give_what_a_search_gives_to_the_last_bit(first, step, count, wobble, seed):
    chance = np.random.default_rng(seed)
    cuts = np.unique(first + step * (np.arange(count) + wobble * chance.uniform(-1, 1, count)))
    slots = np.append(np.arange(len(cuts) + 1) % 250, 0).astype(np.uint8)
    palette = Palette(np.zeros((256, 4), np.uint8), cuts, slots)
    values = np.concatenate(
        [
            neighbours(cuts, np.float64),
            chance.uniform(cuts[0] - step, cuts[-1] + step, 3000),
            [np.inf, -np.inf, np.nan, 1.7e308, -1.7e308, 0.0, 5e-324],
        ]
    )
    assert palette.index_of(values).tolist() == searched(palette, values).tolist()


def test_which_cuts_are_even():
    exact = even_cuts(np.arange(250) * 0.5)
    close = even_cuts(np.array([float(f"{270 + i * 15 // 100}.{i * 15 % 100:02}") for i in range(241)]))
    assert exact is not None
    assert exact.is_exact
    assert close is not None
    assert not close.is_exact
    assert even_cuts(np.geomspace(1, 1000, 100)) is None
    assert even_cuts(np.array([1.0])) is None
    assert even_cuts(np.array([-np.inf, 0, 1, 2, 3])) is None
    assert even_cuts(np.arange(5) * 5e-324) is None


class Device:
    """An array of another library, with few operations, that does not mix with NumPy's arrays."""

    __module__ = "cupy._core.core"
    __array__ = None
    __array_ufunc__ = None

    def __init__(self, array):
        self._array = array

    def _of(self, other):
        if isinstance(other, Device):
            return other._array
        assert np.ndim(other) == 0, "a host array met a device array"
        return other

    dtype = property(lambda self: self._array.dtype)
    shape = property(lambda self: self._array.shape)

    def __len__(self):
        return len(self._array)

    def __getitem__(self, key):
        return Device(self._array[self._of(key)])

    def astype(self, dtype):
        return Device(self._array.astype(dtype))

    def view(self, dtype):
        return Device(self._array.view(dtype))


for _name in ["add", "sub", "mul", "truediv", "eq", "ne", "lt", "ge", "gt", "le", "and"]:
    _method = f"__{_name}__"
    setattr(Device, _method, lambda self, other, m=_method: Device(getattr(self._array, m)(self._of(other))))


@pytest.fixture
def device(monkeypatch):
    """A module with only what palettes may use, all of it in CuPy with these arguments."""
    module = types.ModuleType("cupy")

    def unwrap(x):
        return x._array if isinstance(x, Device) else x

    def only_device(*arrays):
        assert all(isinstance(array, Device) or np.ndim(array) == 0 for array in arrays)
        return [unwrap(array) for array in arrays]

    module.asarray = lambda a: Device(np.asarray(unwrap(a)))
    module.where = lambda c, a, b: Device(np.where(*only_device(c, a, b)))
    module.searchsorted = lambda a, v, side="left": Device(np.searchsorted(*only_device(a, v), side=side))
    module.clip = lambda a, low, high: Device(np.clip(*only_device(a, low, high)))
    module.floor = lambda a: Device(np.floor(*only_device(a)))
    module.take = lambda a, i: Device(np.take(*only_device(a, i)))
    monkeypatch.setitem(sys.modules, "cupy", module)
    return Device


@pytest.mark.parametrize("name", ["sea_surface_temperature", "air_temperature", "classes"])
@pytest.mark.parametrize("units", ["", "degC", "degF"])
def test_another_librarys_arrays_give_the_same(device, name, units):
    palette = compile_colormap(ColormapCatalog().find(name), data_units=units)
    values = np.concatenate([neighbours(palette.cuts, np.float64), [np.inf, -np.inf, np.nan]])
    shown = palette.index_of(device(values))
    assert isinstance(shown, Device)
    assert shown._array.tolist() == palette.index_of(values).tolist()
    assert palette.colours(shown)._array.tolist() == palette.colours(shown._array).tolist()


def test_cupys_arrays_give_the_same():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if not cupy.cuda.is_available():
        pytest.skip("CuPy finds no device")
    for name in ("sea_surface_temperature", "classes"):
        palette = compile_colormap(ColormapCatalog().find(name), data_units="degC")
        values = np.concatenate([neighbours(palette.cuts - 273.15, np.float64), [np.inf, -np.inf, np.nan]])
        assert palette.index_of(cupy.asarray(values)).get().tolist() == palette.index_of(values).tolist()
