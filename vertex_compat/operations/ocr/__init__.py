"""`POST /ocr`: the text and pictures of a document, as Mistral's clients ask for them."""
