"""What a project has besides models: storage, jobs, endpoints, the metadata server."""
