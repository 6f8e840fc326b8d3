# The service alone: no torch, no compiler, not root.
FROM python:3.11-slim

WORKDIR /app
COPY pyproject.toml README.md ./
COPY api_schemas api_schemas
COPY model model
COPY service service
RUN pip install --no-cache-dir '.[cpu]' && useradd --create-home lapel && mkdir /data && chown lapel /data

USER lapel
ENV LAPEL_HOST=0.0.0.0 LAPEL_STORE=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["lapel", "serve"]
