"""The ``lazytile`` command, one module per command; a command imports what it needs when it runs.

May import: everything below it.
"""
