"""Reading requests: JSON bodies, forms, linked files, pages of lists."""
