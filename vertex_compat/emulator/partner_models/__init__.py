"""Partners' models and deployed models, each with its own wire."""
