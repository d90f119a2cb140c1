"""Map libraries as other people wrote them, in a real browser, on the real server."""
