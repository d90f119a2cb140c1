"""How many bulk tasks each worker has, and which worker gets the next one."""

import threading

import pytest

from lazytile.pyramid.cluster.bulk_share import BulkPlaces, BulkShare
from lazytile.pyramid.cluster.worker_address import WorkerAddress


def named(*workers):
    return {worker.address: worker for worker in workers}


@pytest.mark.parametrize(("threads", "places"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_half_the_threads_are_for_bulk_tasks(threads, places):
    worker = WorkerAddress("a", threads)
    assert BulkShare(is_own=False).places(worker) == places
    own = BulkShare(is_own=True)
    assert (own.places(worker), own.limit(worker)) == (threads, 0)


def test_workers_that_declare_the_resource_do_all_bulk_work():
    share = BulkShare(is_own=False)
    silent, none, three = WorkerAddress("a", 8), WorkerAddress("b", 8, 0), WorkerAddress("c", 8, 3)
    assert share.workers(named(silent, none, three)) == [three]
    assert share.capacity(named(silent, none, three)) == 3
    assert share.workers(named(silent, none)) == [silent]
    assert share.take(named(none)) is None


def test_the_worker_with_the_most_room_gets_the_next_task():
    share = BulkShare(is_own=False)
    workers = named(WorkerAddress("a", 2), WorkerAddress("b", 8))
    taken = [share.take(workers) for _ in range(10)]
    assert [worker.address for worker in taken].count("a") == 2
    for worker in taken:
        if worker.address == "b":
            share.give_back(worker)
    assert {share.take(workers).address for _ in range(8)} == {"b"}


def test_no_more_tasks_run_than_there_are_places_and_the_first_to_come_is_the_first_to_run():
    places, begun, go = BulkPlaces(), [], [threading.Event() for _ in range(6)]
    arrived = threading.Semaphore(0)

    def work(number):
        with places.taken(2):
            begun.append(number)
            arrived.release()
            assert go[number].wait(60)

    threads = []
    for number in range(6):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        if number < 2:
            assert arrived.acquire(timeout=60)
        else:
            while len(places._waiting) < number - 1:
                pass
    assert begun == [0, 1]
    for number in range(6):
        go[number].set()
        if number < 4:
            assert arrived.acquire(timeout=60)
            assert begun == list(range(number + 3))
    for thread in threads:
        thread.join(60)
