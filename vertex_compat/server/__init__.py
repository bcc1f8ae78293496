"""The client's side: authentication, request bodies, connections, concurrency, logs."""
