"""Names shared by the builder and the runner of the graphs; imports nothing heavy."""

from typing import Final

ENCODER_FILE: Final = "encoder.onnx"
DECODER_FILE: Final = "decoder.onnx"
DESCRIPTION_FILE: Final = "network.json"

LABEL_PADDING: Final = -1
LABEL_NEGATIVE: Final = 0
LABEL_POSITIVE: Final = 1
LABEL_BOX_START: Final = 2
LABEL_BOX_STOP: Final = 3
