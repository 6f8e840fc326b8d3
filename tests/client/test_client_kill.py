"""An upload goes on through the death of the service, and loses and repeats nothing."""

from collections.abc import Callable

import pytest
from lapel_client import LapelClient, NewGarment, Retries

from tests.conftest import Server

GARMENTS = 600
KILL_AFTER = 200


@pytest.mark.slow
def test_an_upload_resumes_where_a_killed_service_stopped(
    start_server: Callable[..., Server], photo: Callable[[int], bytes]
):
    first = start_server()
    new = (NewGarment(f"garment-{n:03}", photo(n % 8), {"n": n}) for n in range(GARMENTS))
    patient = Retries(attempts=500, first_wait_s=0.05, longest_wait_s=0.1)
    answers = []
    with LapelClient(first.url, retries=patient) as lapel:
        for answer in lapel.bulk(new):
            answers.append(answer)
            if len(answers) == KILL_AFTER:
                first.kill()
                start_server(port=first.port)
        kept = {garment.id: garment.metadata["n"] for garment in lapel.garments()}
    assert [answer.line for answer in answers] == list(range(1, GARMENTS + 1))
    assert {answer.status for answer in answers} <= {"created", "replaced"}
    assert [answer.id for answer in answers] == sorted(kept)
    assert kept == {f"garment-{n:03}": n for n in range(GARMENTS)}
