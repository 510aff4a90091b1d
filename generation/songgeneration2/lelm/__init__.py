"""LeLM, the language model: lyrics, style and prompt codes in, three streams of song codes out."""
