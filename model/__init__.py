"""The model: the network as a file, and what its vectors mean."""

import os

# ONNX Runtime 1.29 and later report to their maker from the moment they are imported, unless told
# not to by this variable; photographs of unreleased designs are no place for that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
