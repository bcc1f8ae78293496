"""`/videos`: videos by Veo's long-running operations."""
