"""Sound to text: reading audio, Whisper engines, the radiology lexicon."""
