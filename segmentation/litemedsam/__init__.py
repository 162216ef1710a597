"""LiteMedSAM on onnxruntime: checkpoint read, graph built, network run, all without torch."""
