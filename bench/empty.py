"""The baseline of a cached answer: routes that do nothing, served just as the service is.

``GET /`` is the least that FastAPI can do; ``POST /`` also receives a body, as every comparison
has to.
"""

import uvicorn
from fastapi import FastAPI, Request

from service.app import configure_logging, server_config
from service.settings import Settings


def create_empty_app() -> FastAPI:
    """An application with two empty routes."""
    app = FastAPI()

    @app.get("/")
    async def nothing() -> dict[str, str]:
        return {}

    @app.post("/")
    async def nothing_with_body(request: Request) -> dict[str, str]:
        await request.body()
        return {}

    return app


def main() -> None:
    """Serve as `lapel serve` does."""
    settings = Settings()
    configure_logging(settings)
    uvicorn.Server(server_config(create_empty_app(), settings)).run()


if __name__ == "__main__":
    main()
