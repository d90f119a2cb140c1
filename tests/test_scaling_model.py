"""What limits many hosts: the utilisation law on sites that are easy to check by hand."""

import pytest

from scripts.scaling_model import Mix, Site, Times, balancers_needed, limits, processor_s, shared_needed

TIMES = Times(memory_s=50e-6, disk_s=200e-6, computed_s=500e-6, body_bytes=10_000)
ALL_COMPUTED = Mix("computed", 0, 0, 0, 1)
ALL_IN_MEMORY = Mix("memory", 1, 0, 0, 0)


def test_processors_limit_hosts_that_compute_everything():
    site = Site(2, cores=4, shared_s=0.0)
    found = limits(TIMES, ALL_COMPUTED, site)
    assert found.resources[0].name == "processors of the hosts"
    assert found.rate == pytest.approx(2 * 4 / 500e-6)


def test_look_ups_lease_and_write_are_counted_where_a_tile_is_computed():
    assert processor_s(TIMES, ALL_COMPUTED, Site(1, shared_s=60e-6)) == pytest.approx(500e-6 + 5 * 60e-6)
    assert processor_s(TIMES, ALL_IN_MEMORY, Site(1, shared_s=60e-6)) == pytest.approx(50e-6)


@pytest.mark.parametrize(
    ("site", "mix", "bottleneck", "rate"),
    [
        (Site(1000), ALL_IN_MEMORY, "requests of the load balancer", 40_000),
        (Site(1000, balancers=1000, host_bytes=1e6), ALL_IN_MEMORY, "network of the hosts", 1000 * 1e6 / 1e4),
        (Site(1000, balancers=1000), ALL_COMPUTED, "operations of the shared tier", 100_000 / 5),
        (
            Site(1000, balancers=1000, shared_processes=100, chunk_hits=0.5),
            ALL_COMPUTED,
            "reads of the object store",
            10 * 5_500 / 1.1,
        ),
    ],
)
def test_the_first_bottleneck(site, mix, bottleneck, rate):
    found = limits(TIMES, mix, site)
    assert (found.resources[0].name, found.rate) == (bottleneck, pytest.approx(rate))
    assert [each.limit for each in found.resources] == sorted(each.limit for each in found.resources)


def test_enough_load_balancers_leave_the_processors_as_the_bottleneck():
    times = Times(memory_s=57e-6, disk_s=0.0, computed_s=0.0, body_bytes=5_000)
    for hosts in (1, 10, 200):
        site = Site(hosts, shared_processes=1000)
        count = balancers_needed(times, ALL_IN_MEMORY, site)
        enough = limits(times, ALL_IN_MEMORY, Site(hosts, balancers=count, shared_processes=1000))
        assert enough.resources[0].name == "processors of the hosts"
        if count > 1:
            fewer = limits(times, ALL_IN_MEMORY, Site(hosts, balancers=count - 1, shared_processes=1000))
            assert fewer.resources[0].name.endswith("of the load balancer")


def test_a_million_tiles_cost_what_the_hosts_do_in_that_time():
    site = Site(
        1,
        cores=1,
        host_price=3.6,
        store_price=0.0,
        shared_s=0.0,
        balancer_price=0.36,
        shared_price=0.72,
        shared_processes=2,
    )
    found = limits(TIMES, ALL_COMPUTED, site, load=0.5)
    assert found.prices["hosts"] == pytest.approx(1e6 / (2000 * 0.5) * 3.6 / 3600)
    assert found.prices["load balancers"] == pytest.approx(1e6 / (2000 * 0.5) * 0.36 / 3600)
    assert found.prices["shared tier"] == pytest.approx(1e6 / (2000 * 0.5) * 2 * 0.72 / 3600)


@pytest.mark.parametrize("hosts", [1, 10, 100])
def test_enough_redis_processes_leave_something_else_as_the_bottleneck(hosts):
    site = Site(hosts, balancers=10_000, store_prefixes=1000)
    count = shared_needed(TIMES, ALL_COMPUTED, site)
    enough = limits(TIMES, ALL_COMPUTED, Site(hosts, balancers=10_000, store_prefixes=1000, shared_processes=count))
    assert enough.resources[0].name == "processors of the hosts"
    if count > 1:
        fewer = Site(hosts, balancers=10_000, store_prefixes=1000, shared_processes=count - 1)
        assert limits(TIMES, ALL_COMPUTED, fewer).resources[0].name == "operations of the shared tier"
