"""Systems that turn prompts into songs, and the resumable loop that runs them."""
