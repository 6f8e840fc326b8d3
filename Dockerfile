# The service alone, for two kinds of machine: no torch, no compiler, not root, no writing outside
# /data.
#
#   docker build --target cpu -t lapel:cpu .
#   docker build --target gpu -t lapel:gpu .
#
# onnxruntime and onnxruntime-gpu install into the same folder and the last one wins, so each target
# has an environment of its own. Dependencies come before the code: a change of ours leaves their
# layer as it is.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/lapel
WORKDIR /src
COPY pyproject.toml README.md ./

FROM build AS build-cpu
RUN /opt/lapel/bin/pip install --only-binary :all: --no-binary lapel '.[cpu]'
COPY api_schemas api_schemas
COPY model model
COPY service service
RUN /opt/lapel/bin/pip install --no-deps --force-reinstall .

FROM build AS build-gpu
# The extras name the CUDA and cuDNN that this onnxruntime was built with; a driver is all that the
# host needs.
RUN /opt/lapel/bin/pip install --only-binary :all: --no-binary lapel '.[gpu]' 'onnxruntime-gpu[cuda,cudnn]' \
  && mkdir /opt/lapel/cuda \
  && ln -s /opt/lapel/lib/python*/site-packages/nvidia/*/lib/*.so* /opt/lapel/cuda/
COPY api_schemas api_schemas
COPY model model
COPY service service
RUN /opt/lapel/bin/pip install --no-deps --force-reinstall .

FROM python:${PYTHON}-slim AS runtime
RUN useradd --uid 10001 --create-home lapel && mkdir /data && chown lapel:lapel /data
# From 1.29 on, onnxruntime otherwise reports to its maker and keeps an identifier in the home folder.
ENV PATH=/opt/lapel/bin:$PATH \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LAPEL_HOST=0.0.0.0 \
    LAPEL_PORT=8000 \
    LAPEL_STORE=/data
WORKDIR /data
# By number: Kubernetes cannot tell that a name is not root.
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['LAPEL_PORT'] + '/readyz', timeout=2)"]
CMD ["lapel", "serve"]

FROM runtime AS gpu
ENV LAPEL_DEVICE=cuda \
    LD_LIBRARY_PATH=/opt/lapel/cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute
COPY --from=build-gpu /opt/lapel /opt/lapel

# Last, so that a build without --target gives this one.
FROM runtime AS cpu
COPY --from=build-cpu /opt/lapel /opt/lapel
