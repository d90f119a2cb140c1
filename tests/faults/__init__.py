"""What clients see when a machine fails: real server processes, damaged files, killed processes.

``server`` starts servers and compares their replies with those of an undisturbed one. Faults that take seconds run with
all tests; longer ones are marked ``slow`` and run by ``make test-faults``.
"""
