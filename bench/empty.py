"""The baselines of a cached answer: routes that do nothing, served just as the service is.

``GET /`` is the least that FastAPI can do; ``POST /`` also receives a body, as every comparison
has to; ``POST /form`` and ``POST /json`` declare the body of a comparison in FastAPI's own way, so
that it is parsed and checked before their first line.
"""

from typing import Annotated

import uvicorn
from fastapi import FastAPI, Form, Request, UploadFile

from api_schemas.compare import CompareRequest
from service.app import configure_logging, server_config
from service.settings import Settings


def create_empty_app() -> FastAPI:
    """An application of empty routes."""
    app = FastAPI()

    @app.get("/")
    async def nothing() -> dict[str, str]:
        return {}

    @app.post("/")
    async def nothing_with_body(request: Request) -> dict[str, str]:
        await request.body()
        return {}

    @app.post("/form")
    async def nothing_with_form(
        image_a: UploadFile,
        image_b: UploadFile,
        attributes: Annotated[list[str] | None, Form()] = None,
    ) -> dict[str, str]:
        return {}

    @app.post("/json")
    async def nothing_with_json(body: CompareRequest) -> dict[str, str]:
        return {}

    return app


def main() -> None:
    """Serve as `lapel serve` does."""
    settings = Settings()
    configure_logging(settings)
    uvicorn.Server(server_config(create_empty_app(), settings)).run()


if __name__ == "__main__":
    main()
