"""Every setting of the service, read once in `main` from LAPEL_* variables and then passed on.

`docs/settings.md` lists them; a test holds the two against each other.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from model.encoder import SHIPPED_MODEL
from service.redis_url import folder_or_url

BYTES_PER_MIB = 1 << 20
_HOST = r"\s*(\*\.)?[A-Za-z0-9_][A-Za-z0-9._-]*(:[0-9]{1,5})?\s*"
HOST_LIST = rf"^({_HOST}(,{_HOST})*)?$"


class Settings(BaseSettings):
    """What can be set, with its unit in the name, its bounds and what it does."""

    model_config = SettingsConfigDict(env_prefix="LAPEL_", frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port; 0 takes a free one")
    model_path: Path = Field(
        default=SHIPPED_MODEL, description="the model file; the shipped one unless set"
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="where the network runs; cuda needs onnxruntime-gpu"
    )
    store: Annotated[Path | str, BeforeValidator(folder_or_url)] = Field(
        default=Path("lapel-data"),
        description="folder of the catalog, or the URL of a Redis, see [redis.md](redis.md)",
    )
    store_partitions: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="parts of a new catalog in Redis; one that is there keeps its own",
    )
    store_images: bool = Field(
        default=True,
        description="keep the original bytes, which `lapel reindex` and image answers need",
    )
    cache_mib: int = Field(
        default=128, ge=0, le=1 << 20, description="memory for vectors of recent images, MiB"
    )
    cache_url: str = Field(
        default="",
        description="URL of a Redis in which all processes share those vectors; none unless given",
    )
    cache_ttl_s: int = Field(
        default=7 * 24 * 3600,
        ge=1,
        le=1 << 31,
        description="how long that Redis keeps a vector, s",
    )
    batch_max_images: int = Field(
        default=16, ge=1, le=1024, description="images the network takes at a time"
    )
    batch_wait_ms: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="how long an idle network waits for a batch to fill, ms",
    )
    queue_max_images: int = Field(
        default=256, ge=1, le=100_000, description="images that may wait; beyond, 503 at once"
    )
    decode_threads: int = Field(
        default=2, ge=1, le=256, description="images decoded at the same time"
    )
    onnx_threads: int = Field(
        default=0, ge=0, le=1024, description="threads of the network; 0 takes the CPU quota"
    )
    max_image_mib: int = Field(default=10, ge=1, le=1024, description="largest image file, MiB")
    max_request_mib: int = Field(
        default=64, ge=1, le=4096, description="largest request body (bulk: unbounded), MiB"
    )
    bulk_commit_lines: int = Field(
        default=64, ge=1, le=10_000, description="most bulk lines written by one commit"
    )
    bulk_buffer_mib: int = Field(
        default=32, ge=1, le=4096, description="bulk lines held in memory per upload, MiB"
    )
    image_urls: Literal["off", "on"] = Field(
        default="off", description="on: images may be named by URL, from public addresses"
    )
    image_url_hosts: str = Field(
        default="",
        pattern=HOST_LIST,
        description="where URLs may lead: `example.com`, `*.example.com` and `example.com:8443`, "
        "parted by commas; anywhere when empty",
    )
    image_url_fetches: int = Field(
        default=16, ge=2, le=1024, description="images fetched at the same time"
    )
    image_url_loopback: bool = Field(
        default=False, description="for tests only: URLs may lead to this machine, at any port"
    )
    imports_folder: str = Field(
        default="",
        description="folder of feeds and webhooks that wait; where not given, `imports` within a "
        "store's folder, `lapel-imports` beside a Redis",
    )
    max_feed_mib: int = Field(
        default=1024, ge=1, le=1 << 20, description="largest feed that may be uploaded, MiB"
    )
    shopify_webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="signs Shopify's webhooks; they are off without it"
    )
    woocommerce_webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="signs WooCommerce's webhooks; they are off without it"
    )
    screens_folder: str = Field(
        default="",
        description="folder of screens in the background; where not given, `screens` within a "
        "store's folder, `lapel-screens` beside a Redis",
    )
    screen_webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="signs notifications of new findings; none are sent without it",
    )
    screen_webhook_hosts: str = Field(
        default="",
        pattern=HOST_LIST,
        description="where notifications may go, written as `LAPEL_IMAGE_URL_HOSTS`; to any "
        "public host when empty",
    )
    admin_token: SecretStr = Field(
        default=SecretStr(""),
        description="bearer token for changing the model over HTTP, which is off without it",
    )
    max_model_mib: int = Field(
        default=256, ge=1, le=4096, description="largest model file that may be sent, MiB"
    )
    model_grace_s: int = Field(
        default=60,
        ge=0,
        le=86_400,
        description="how long the former vectors stay after a switch for processes that cannot "
        "open the new model, s",
    )
    search_limit_max: int = Field(
        default=1000, ge=1, le=1000, description="most hits that one search may ask for"
    )
    shutdown_wait_s: int = Field(
        default=20, ge=0, le=3600, description="how long requests may finish after a stop, s"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least serious messages logged"
    )

    @property
    def max_image_bytes(self) -> int:
        """Largest image file, bytes."""
        return self.max_image_mib * BYTES_PER_MIB

    @property
    def max_request_bytes(self) -> int:
        """Largest request body, bytes."""
        return self.max_request_mib * BYTES_PER_MIB

    @property
    def max_feed_bytes(self) -> int:
        """Largest feed, bytes."""
        return self.max_feed_mib * BYTES_PER_MIB

    @property
    def imports(self) -> Path:
        """Where feeds and webhooks wait."""
        if self.imports_folder:
            return Path(self.imports_folder)
        store = self.store
        return store / "imports" if isinstance(store, Path) else Path("lapel-imports")

    @property
    def screens(self) -> Path:
        """Where screens in the background are written down."""
        if self.screens_folder:
            return Path(self.screens_folder)
        store = self.store
        return store / "screens" if isinstance(store, Path) else Path("lapel-screens")

    @property
    def max_line_bytes(self) -> int:
        """Largest bulk line, bytes: the largest image in base64, and room for its metadata."""
        return self.max_image_bytes * 4 // 3 + BYTES_PER_MIB
