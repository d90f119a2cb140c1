"""The simulation of queues, beside what queueing theory says."""

import math
import random

import pytest

from scripts.queueing import Simulation, Visit


def exponential(mean, resource):
    return lambda chance: [Visit(chance.expovariate(1 / mean), (resource,))]


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_server_with_poisson_arrivals(load):
    """M/M/1: the mean time in the system is s / (1 - load)."""
    found = Simulation({"server": 1}, seed=3).opened(load, exponential(1.0, "server"), seconds=100_000, warm_s=1000)
    mean = sum(found.latencies_s) / len(found.latencies_s)
    assert mean == pytest.approx(1 / (1 - load), rel=0.05)
    assert found.rate == pytest.approx(load, rel=0.02)
    assert found.utilisation["server"] == pytest.approx(load, rel=0.02)
    assert found.percentile_s(95) == pytest.approx(-math.log(0.05) / (1 - load), rel=0.07)


def test_several_places_wait_as_erlang_says():
    """M/M/c, Erlang's formula C."""
    places, load = 4, 3.2
    terms = [load**n / math.factorial(n) for n in range(places)]
    last = load**places / math.factorial(places) * places / (places - load)
    wait = last / (sum(terms) + last) / (places - load)
    found = Simulation({"server": places}, seed=4).opened(
        load, exponential(1.0, "server"), seconds=100_000, warm_s=1000
    )
    assert sum(found.latencies_s) / len(found.latencies_s) == pytest.approx(1 + wait, rel=0.05)


def test_a_closed_network_has_the_throughput_of_mean_value_analysis():
    """Two exponential stations and a delay (Reiser and Lavenberg 1980)."""
    demands, delay, clients = {"a": 0.5, "b": 0.3}, 1.0, 6
    queue = dict.fromkeys(demands, 0.0)
    rate = 0.0
    for count in range(1, clients + 1):
        stay = {name: demand * (1 + queue[name]) for name, demand in demands.items()}
        rate = count / (delay + sum(stay.values()))
        queue = {name: rate * stay[name] for name in demands}

    def route(chance):
        return [Visit(delay), *(Visit(chance.expovariate(1 / demand), (name,)) for name, demand in demands.items())]

    found = Simulation(dict.fromkeys(demands, 1), seed=5).closed([route] * clients, seconds=50_000, warm_s=100)
    assert found.rate == pytest.approx(rate, rel=0.02)


def test_a_visit_holds_all_its_resources():
    """A process that needs a processor keeps other requests of its own waiting, not those of another process."""

    def route(chance):
        return [Visit(1.0, (f"process {chance.randrange(2)}", "processor"))]

    found = Simulation({"process 0": 1, "process 1": 1, "processor": 1}).closed([route] * 8, seconds=1000)
    assert found.rate == pytest.approx(1, rel=0.01)
    assert found.utilisation["processor"] == pytest.approx(1, rel=0.01)
    found = Simulation({"process 0": 1, "process 1": 1, "processor": 2}).closed([route] * 8, seconds=1000)
    assert 1.4 < found.rate <= 2


def test_equal_seeds_give_equal_results():
    runs = [Simulation({"a": 2}, seed=9).opened(1.5, exponential(1.0, "a"), seconds=500) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != Simulation({"a": 2}, seed=10).opened(1.5, exponential(1.0, "a"), seconds=500)


def test_nothing_has_ended_yet():
    found = Simulation({}).closed([lambda chance: [Visit(10.0 + random.random())]], seconds=5)
    assert (found.rate, found.percentile_s(50)) == (0, math.inf)
