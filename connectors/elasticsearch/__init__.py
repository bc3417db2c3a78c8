"""Writing to Elasticsearch: the connection, and bulk requests of which nothing is lost."""
