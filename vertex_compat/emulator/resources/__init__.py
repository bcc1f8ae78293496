"""The resources of a project besides models: storage, jobs, endpoints, the metadata server."""
