"""ONNX Runtime without the service around it: what a graph can do on these cores at best."""

import onnxruntime as ort

from model.encoder import available_cpus


def open_session(
    graph: str | bytes, *, threads: int | None = None, spinning: bool = True
) -> ort.InferenceSession:
    """A session that computes as the service would.

    Args:
        graph: path or contents.
        threads: of one run; None takes as many as there are cores.
        spinning: whether threads wait for work by spinning, which is ONNX Runtime's own default;
            the service turns it off to leave the cores to decoding and HTTP.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cpus()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
