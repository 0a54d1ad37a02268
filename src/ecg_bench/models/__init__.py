"""Model inputs -> ELM: towers make ECG tokens, a stock language model reads them among its embeddings."""
