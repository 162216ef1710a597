"""LiteMedSAM on onnxruntime: the checkpoint read, the graph built and the network run, without torch."""
