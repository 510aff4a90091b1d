"""Text to token ids: the Qwen2 byte-level BPE, the added tokens, and how a request is worded for each version."""
