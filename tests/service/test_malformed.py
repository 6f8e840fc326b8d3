"""300 malformed uploads to a real server: each is refused with a problem, and it stays up."""

from collections.abc import Callable

import httpx
import pytest

from api_schemas.problems import Problem
from tests.conftest import Server
from tests.malformed import malformed_uploads

COUNT = 300
MAX_GROWTH_MIB = 200
"""Far below one 20000 x 20000 image (1200 MiB); room for what decoding threads keep."""


@pytest.mark.slow
def test_malformed_uploads_are_refused_and_the_server_stays_up(
    start_server: Callable[..., Server], photo: Callable[[int], bytes]
):
    server = start_server()
    uploads = malformed_uploads(COUNT)
    assert len(uploads) == COUNT
    with httpx.Client(base_url=server.url, timeout=60) as client:
        good = ("image", ("good.png", photo(1), "image/png"))
        assert client.post("/v1/embeddings", files=[good]).status_code == 200
        before = server.resident_mib()
        for place, upload in enumerate(uploads):
            file = (upload.filename, upload.data, upload.content_type)
            if place % 2:
                answer = client.post("/v1/embeddings", files={"image": file})
            else:
                answer = client.put(f"/v1/garments/{place}", files={"image": file})
            if upload.expected == "accept":
                assert answer.status_code in (200, 201), (upload.name, answer.text)
                continue
            assert 400 <= answer.status_code < 500, (upload.name, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            problem = Problem.model_validate_json(answer.content)
            assert problem.code in ("invalid_image", "image_too_large"), upload.name
            assert len(problem.detail) > 15, upload.name
        assert client.post("/v1/embeddings", files=[good]).status_code == 200
        assert client.get("/readyz").status_code == 200
        accepted = client.get("/v1/garments", params={"limit": 500}).json()["garments"]
    assert len(accepted) == sum(u.expected == "accept" for u in uploads[::2])
    assert server.process.poll() is None
    assert server.resident_mib() - before < MAX_GROWTH_MIB
