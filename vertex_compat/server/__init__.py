"""The client's side: authentication, request bodies, the client's connection, concurrency, logs."""
