"""Activities for the tests, one of each behaviour."""
