"""Helpers of the tests: fixtures as values, servers, a fake upstream, clients."""
