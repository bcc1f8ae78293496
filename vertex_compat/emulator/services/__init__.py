"""Google services beside Vertex AI: ranking, text moderation, Model Armor, RAG Engine."""
