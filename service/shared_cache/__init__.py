"""The tile cache that several hosts share, in Redis or in object storage: a tier behind each host's own disk.

Hosts never talk to each other. A tile that one has computed is written here after the reply, and found by the others.
Before a host computes, it takes a lease on the key; another that wants the same tile waits for it, no longer than the
lease. Keys are hashes of content, so nothing here is ever stale. Whatever fails here is a miss.

May import: pyramid.core, http.
"""
