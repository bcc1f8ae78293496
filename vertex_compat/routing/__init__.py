"""Model names, the routing rules of the settings file, and the catalog of models."""
