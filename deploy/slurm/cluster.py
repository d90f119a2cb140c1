"""Start Dask workers as Slurm jobs, and a lazytile server that passes tiles to them.

    pip install lazytile dask-jobqueue
    python cluster.py --store /shared/store --workers 8 --partition compute

Run it on a node that the compute nodes can reach. It ends with Ctrl-C, and its jobs with it. ``--print`` prints the job
script and starts nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from dask_jobqueue import SLURMCluster


def main() -> int:
    """Start workers and a server."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--store", default="store", help="folder of the datasets, on a file system that all nodes share"
    )
    parser.add_argument("--workers", type=int, default=4, help="jobs, each of one worker")
    parser.add_argument("--cores", type=int, default=4, help="processors of a job")
    parser.add_argument("--memory", default="8GiB", help="memory of a job")
    parser.add_argument("--partition", default=None, help="partition of Slurm")
    parser.add_argument("--walltime", default="08:00:00", help="time limit of a job")
    parser.add_argument("--port", default="8080", help="port of the server")
    parser.add_argument("--print", action="store_true", help="print the job script only")
    options = parser.parse_args()
    cluster = SLURMCluster(
        queue=options.partition,
        cores=options.cores,
        processes=1,
        memory=options.memory,
        walltime=options.walltime,
        job_script_prologue=["export LAZYTILE_MEMORY=25%"],
        scheduler_options={"dashboard_address": None},
    )
    with cluster:
        if options.print:
            sys.stdout.write(cluster.job_script())
            return 0
        cluster.scale(jobs=options.workers)
        command = [sys.executable, "-m", "lazytile", "serve", "--store", options.store, "--port", options.port]
        return subprocess.call([*command, "--engine", cluster.scheduler_address, "--engine-fallback", "threads"])


if __name__ == "__main__":
    sys.exit(main())
