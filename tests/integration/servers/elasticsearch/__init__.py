"""A real Elasticsearch for tests, and the stand-ins for what its build on Maven Central lacks."""
