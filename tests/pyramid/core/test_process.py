"""What a process has one of: set up explicitly, or by default on first use."""

import subprocess
import sys
import threading

from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget


def test_a_resource_is_made_once_however_many_threads_request_it(fresh_process):
    made, results = [], []
    start = threading.Barrier(8)

    def make() -> list[int]:
        made.append(threading.get_ident())
        return [len(made)]

    def work() -> None:
        start.wait()
        results.append(process.current().resource("thing", make))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert all(result is results[0] for result in results)


def test_a_process_that_is_set_up_anew_has_nothing_of_the_old_one(fresh_process):
    before = process.current().resource("thing", list)
    process.cache("tables").put("k", b"1")
    process.install(CacheBudget.renderer(8 << 20))
    assert process.current().resource("thing", list) is not before
    assert process.cache("tables").peek("k") is None
    assert sum(statistics.limit_bytes for _, statistics in process.current().caches.statistics()) == 8 << 20


def test_a_memo_computes_a_result_once_in_the_budget(fresh_process):
    process.install(CacheBudget.renderer(8 << 20))
    computed = []

    @process.memo
    def parity(number: int, name: str) -> str | None:
        computed.append((number, name))
        return f"{name} is even" if number % 2 == 0 else None

    assert [parity(4, "n"), parity(4, "n"), parity(3, "n"), parity(3, "n")] == ["n is even", "n is even", None, None]
    assert computed == [(4, "n"), (3, "n")]
    for number in range(10_000):
        parity(number, "many")
    memos = process.cache("memos").statistics
    assert memos.size_bytes <= memos.limit_bytes < 1 << 20
    assert memos.evictions > 0


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_no_cache_is_made_at_import():
    assert (
        run("""
import lazytile
import lazytile.service.app.application, lazytile.pyramid.store.chunk_reader, lazytile.service.cli.main
from lazytile.pyramid.core import process
print(process._process)
""")
        == "None"
    )


def test_a_program_that_sets_nothing_up_gets_caches_of_at_most_256_mib():
    assert (
        run("""
from lazytile.pyramid.core import process
from lazytile.pyramid.core.memory_size import machine_memory_bytes
limits = {name: each.limit_bytes for name, each in process.current().caches.statistics()}
print(sum(limits.values()) == min(256 << 20, machine_memory_bytes() // 8), limits["tiles"], limits["chunks"] > 1 << 20)
""")
        == "True 0 True"
    )


def limit_in_a_new_process(memory: str) -> str:
    code = (
        "import os\nfrom lazytile.pyramid.core import process\nfrom lazytile.pyramid.core.errors import EngineError\n"
        f"os.environ['LAZYTILE_MEMORY'] = {memory!r}\n"
        "try:\n    print(sum(each.limit_bytes for _, each in process.current().caches.statistics()))\n"
        "except EngineError as error:\n    print(error)\n"
    )
    return run(code).strip()


def test_a_process_that_nobody_sets_up_has_the_memory_of_its_environment():
    assert limit_in_a_new_process("1.5GiB") == str(3 << 29)
    assert limit_in_a_new_process("0") == "0"
    assert limit_in_a_new_process("lots") == "LAZYTILE_MEMORY must be a size such as 2GiB, 512MB or 25%, got 'lots'"


def test_an_earlier_process_is_put_back_with_what_it_had(fresh_process):
    earlier = process.current()
    earlier.caches["memos"].put("a", _Sized())
    process.install(CacheBudget.renderer(1 << 20))
    assert process.current() is not earlier
    process.reinstall(earlier)
    assert process.current() is earlier
    assert process.cache("memos").peek("a") is not None


class _Sized:
    nbytes = 8
