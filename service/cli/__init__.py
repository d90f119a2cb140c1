"""The command ``lazytile``, a module for each command. What a command needs it imports when it runs.

May import: everything below it.
"""
