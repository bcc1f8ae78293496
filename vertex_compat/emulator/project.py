"""The emulated project."""

PROJECT = "emulated-project"
PROJECT_NUMBER = "123456789012"
REGION = "us-central1"
