"""Object storage: one protocol (get, ranges, conditional put, list, delete), its backends, and what stores keep there.

A store at ``s3://BUCKET/PREFIX`` holds one prefix ``NAME.zarr/TOKEN/`` for each generation of a dataset, plain Zarr as
on disk, and the object ``datasets.json``, the pointer: it names the generation of each dataset that counts.

Objects of a generation never change; readers add overviews that were left to them. A writer sends each chunk or shard
to a new prefix when it is finished (``object_writer``); metadata and journals are in a folder of its machine
(``staging``). It checks that every object is there, and then swaps the pointer by a put that fails if another writer
was faster (If-Match). A kill at any moment leaves the old generation or the new one; folder and prefix stay, so a rerun
goes on there. Generations that no pointer names are removed by the next writer of the same dataset: at once those that
it replaced, by age those that were never finished.

A reader looks at the pointer every few seconds, not once a tile. Between two looks it reads the old generation. If that
is removed meanwhile, the first missing object makes it look again, and the request is resolved anew. Whether a chunk is
empty or lost is told by the tables of checksums, as on disk. Shard indexes are checked once and cached; chunks may be
cached in a bounded folder on this machine. A failed request is repeated by obstore with growing, random pauses; if
storage stays out of reach, clients get 503, never other bytes.

Paths: ``ObjectPath`` is a ``Path`` that reads objects, so the code above reads both kinds of store the same way. Local
chunks are still read directly by ``os.open`` (``store.chunk_file``, ``store.shard``): the seam costs them nothing.

May import: colormaps.core, core.
"""
