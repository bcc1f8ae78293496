"""The network: connections to Google, credentials, and files fetched from the internet."""
