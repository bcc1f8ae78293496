"""`POST /ocr`: the text and images of a document, as Mistral's clients ask for them."""
