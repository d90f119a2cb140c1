"""Tests of what the processes of a cluster have in common."""
