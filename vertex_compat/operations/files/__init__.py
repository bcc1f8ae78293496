"""`/files`, over a Cloud Storage bucket."""
