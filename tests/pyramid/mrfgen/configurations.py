"""The 27 configurations of mrfgen in OnEarth's repository (its 26 tests and its sample), in our own words.

Each names what its elements request and which kind of input its pictures are. Sizes are those of the file; tests divide
them by ``shrink``, so that GDAL and we make a picture in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GLOBE = "-180,-90,180,90"
POLAR = "-4194304,-4194304,4194304,4194304"
GOES = {
    "mrf_blocksize": "512",
    "overview_resampling": "average",
    "resize_resampling": "average",
    "target_x": "20480",
    "target_y": "10240",
    "overview_levels": "2 4 8 16 32 64",
    "source_epsg": "4326",
    "target_epsg": "4326",
    "target_extents": GLOBE,
    "mrf_merge": "true",
    "mrf_nocopy": "true",
}
NADIR = {
    "mrf_blocksize": "512",
    "mrf_compression_type": "PPNG",
    "overview_resampling": "nnb",
    "reprojection_sampling": "cubic",
    "resize_resampling": "near",
    "target_x": "40960",
    "overview_levels": "2 4 8 16 32 64 128",
    "source_epsg": "4326",
    "target_extents": GLOBE,
    "mrf_merge": "false",
}
ARCTIC = {
    "vrtnodata": "0",
    "mrf_blocksize": "512",
    "mrf_compression_type": "JPEG",
    "source_epsg": "3413",
    "extents": POLAR,
    "target_epsg": "3413",
    "target_extents": POLAR,
    "target_x": "2048",
}
MARBLE = {
    "vrtnodata": "0",
    "mrf_blocksize": "256",
    "mrf_compression_type": "JPEG",
    "reprojection_resampling": "average",
    "outsize": "1024 1024",
    "target_epsg": "3857",
    "source_epsg": "4326",
    "mrf_nocopy": "true",
}
OCEAN = {
    "vrtnodata": "0",
    "mrf_blocksize": "512",
    "mrf_compression_type": "PPNG",
    "outsize": "40960 20480",
    "resize_resampling": "near",
    "extents": GLOBE,
    "mrf_strict_palette": "true",
    "mrf_nocopy": "true",
    "mrf_merge": "true",
    "mrf_overwrite_colormap": "true",
    "mrf_z_levels": "3",
}
FLOOD = {
    "vrtnodata": "0",
    "mrf_blocksize": "256",
    "mrf_compression_type": "PPNG",
    "outsize": "32768 32768",
    "resize_resampling": "near",
    "target_epsg": "3857",
    "source_epsg": "4326",
    "extents": GLOBE,
    "mrf_strict_palette": "true",
    "mrf_nocopy": "true",
}


@dataclass(frozen=True)
class Configuration:
    """One configuration."""

    name: str
    """Of the file, without ``mrfgen_test_config`` and its ending."""
    elements: dict[str, str]
    pictures: tuple[str, ...] = ()
    """Kinds of ``inputs.INPUTS``."""
    shrink: int = 1
    """Sizes are divided by it."""
    is_folder: bool = False
    """Whether the pictures are named by ``input_dir``, not by ``input_files``."""
    updates: bool = False
    """Whether the MRF of the configuration before is among the inputs."""
    colormap: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        """The elements, shrunk."""
        texts = self.elements | self.extra
        for name in ("target_x", "target_y", "outsize"):
            if name in texts:
                texts[name] = " ".join(str(int(part) // self.shrink) for part in texts[name].split())
        return texts


def of(name: str, *parts: dict[str, str], **more: object) -> Configuration:
    """A configuration whose elements are those of the parts."""
    elements: dict[str, str] = {}
    for part in parts:
        elements |= part
    return Configuration(name, elements, **more)  # type: ignore[arg-type]


MODIS = {"mrf_blocksize": "512", "mrf_compression_type": "PPNG", "target_x": "4096", "mrf_nocopy": "false"}
CONFIGURATIONS = (
    of("1a", MODIS, {"overview_resampling": "nearest"}, pictures=("palette png",), is_folder=True),
    of(
        "1b",
        MODIS,
        {"mrf_compression_type": "PNG", "mrf_blocksize": "256", "vrtnodata": "0", "overview_resampling": "nearest"},
        pictures=("rgb png",),
    ),
    of("1c", MODIS, {"overview_resampling": "NNb"}, pictures=("palette png",), is_folder=True),
    of("2a", ARCTIC, {"overview_resampling": "average"}, pictures=("polar jpeg",) * 4, is_folder=True),
    of("2b", ARCTIC, {"overview_resampling": "Avg"}, pictures=("polar jpeg",) * 4, is_folder=True),
    of("3a", MARBLE, {"overview_resampling": "average"}, pictures=("globe jpeg",)),
    of("3b", MARBLE, {"overview_resampling": "avg"}, pictures=("globe jpeg",)),
    of("4a", OCEAN, {"overview_resampling": "nearest"}, shrink=16, colormap=True),
    of(
        "4b",
        OCEAN,
        {"overview_resampling": "NNB", "mrf_z_key": "20151202"},
        pictures=("palette granule", "palette granule 2"),
        shrink=16,
        is_folder=True,
        updates=True,
        colormap=True,
    ),
    of(
        "4c",
        OCEAN,
        {"overview_resampling": "nearest", "mrf_z_key": "20151202100000"},
        pictures=("palette granule",),
        shrink=16,
        updates=True,
        colormap=True,
    ),
    of(
        "4d",
        OCEAN,
        {"overview_resampling": "NNb", "mrf_z_key": "20151202200000"},
        pictures=("palette granule",),
        shrink=16,
        updates=True,
        colormap=True,
    ),
    of(
        "5",
        FLOOD,
        {"overview_resampling": "nnb", "mrf_merge": "false", "mrf_z_levels": "1", "mrf_z_key": "20151202"},
        pictures=("palette granule",),
        shrink=16,
        colormap=True,
    ),
    of(
        "6",
        FLOOD,
        {
            "mrf_compression_type": "JPEG",
            "outsize": "163840 163840",
            "overview_resampling": "average",
            "resize_resampling": "cubic",
            "mrf_z_levels": "1",
            "mrf_z_key": "test",
            "mrf_merge": "true",
        },
        pictures=("quarter jpeg", "quarter jpeg 2"),
        shrink=80,
    ),
    of(
        "7a",
        FLOOD,
        {"overview_resampling": "nnb", "mrf_merge": "true"},
        pictures=("flood png", "flood png 2"),
        shrink=16,
        is_folder=True,
        colormap=True,
    ),
    of(
        "7b",
        FLOOD,
        {
            "overview_resampling": "nearest",
            "mrf_merge": "false",
            "mrf_z_levels": "1",
            "mrf_z_key": "20190925",
            "email_server": "localhost:1025",
            "email_recipient": "a@localhost",
            "email_sender": "b@localhost",
        },
        pictures=("flood png", "flood png 2"),
        shrink=16,
        is_folder=True,
        colormap=True,
    ),
    of(
        "8",
        {
            "mrf_blocksize": "512",
            "mrf_compression_type": "PNG",
            "overview_resampling": "nnb",
            "resize_resampling": "near",
            "target_x": "2048",
            "source_epsg": "detect",
            "target_extents": GLOBE,
            "mrf_merge": "true",
            "mrf_nocopy": "true",
        },
        pictures=("rgba tiff", "rgba polar tiff"),
        is_folder=True,
    ),
    of(
        "9",
        {
            "mrf_blocksize": "512",
            "mrf_compression_type": "PNG",
            "overview_resampling": "nearest",
            "resize_resampling": "near",
            "target_x": "2048",
            "source_epsg": "4326",
            "target_extents": GLOBE,
            "mrf_merge": "true",
            "mrf_nocopy": "true",
        },
        pictures=("rgba tiff", "rgba antimeridian tiff"),
        is_folder=True,
    ),
    of(
        "10",
        GOES,
        {"mrf_compression_type": "JPNG", "mrf_noaddo": "true"},
        pictures=("rgba disc tiff",),
        shrink=10,
        is_folder=True,
    ),
    of(
        "12",
        GOES,
        {"mrf_compression_type": "ZEN", "mrf_noaddo": "false"},
        pictures=("rgba disc tiff",),
        shrink=10,
        is_folder=True,
    ),
    of("13", NADIR, pictures=("rgba granule tiff",), shrink=16, colormap=True),
    of("14", NADIR, {"mrf_noaddo": "true"}, pictures=("rgba granule tiff",), shrink=16, colormap=True),
    of(
        "15",
        GOES,
        {"mrf_compression_type": "JPEG", "mrf_noaddo": "false", "mrf_brunsli": "true"},
        pictures=("rgba disc tiff",),
        shrink=10,
        is_folder=True,
    ),
    of(
        "16",
        GOES,
        {"mrf_compression_type": "JPEG", "mrf_noaddo": "false", "mrf_brunsli": "false"},
        pictures=("rgba disc tiff",),
        shrink=10,
        is_folder=True,
    ),
    of(
        "17",
        {
            "mrf_blocksize": "512",
            "mrf_compression_type": "JPEG",
            "overview_resampling": "average",
            "resize_resampling": "average",
            "target_x": "2560",
            "overview_levels": "2 4 8 16",
            "source_epsg": "4326",
            "target_extents": GLOBE,
            "mrf_merge": "false",
            "background": "black",
        },
        pictures=("rgba granule tiff",),
    ),
    of(
        "18",
        {
            "mrf_blocksize": "512",
            "mrf_compression_type": "PPNG",
            "overview_resampling": "nnb",
            "target_x": "5120",
            "target_y": "2560",
            "source_epsg": "4326",
            "extents": GLOBE,
            "mrf_noaddo": "true",
            "mrf_merge": "false",
        },
        pictures=("palette vrt",),
        colormap=True,
    ),
    of(
        "19",
        GOES,
        {"mrf_compression_type": "ZEN", "mrf_noaddo": "false", "mrf_brunsli": "true"},
        pictures=("rgba disc tiff",),
        shrink=10,
        is_folder=True,
    ),
    of(
        "sample",
        {
            "mrf_blocksize": "512",
            "mrf_compression_type": "JPEG",
            "outsize": "327680 163840",
            "overview_levels": "2 4 8 16 32 64 128 256 512 1024",
            "overview_resampling": "nearest",
            "target_epsg": "4326",
            "extents": GLOBE,
            "colormap": "",
            "mrf_clean": "true",
            "mrf_merge": "false",
        },
        pictures=("quarter jpeg", "quarter jpeg 2"),
        shrink=128,
        is_folder=True,
    ),
)
