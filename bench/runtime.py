"""ONNX Runtime without the service around it: what a graph can do on these cores at best."""

import onnxruntime as ort

from model.encoder import available_cpus


def open_session(graph: str | bytes, *, spinning: bool = True) -> ort.InferenceSession:
    """A session on the threads that the service would use.

    Args:
        graph: path or contents.
        spinning: whether threads wait for work by spinning, which is ONNX Runtime's own default;
            the service turns it off to leave the cores to decoding and HTTP.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = available_cpus()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
