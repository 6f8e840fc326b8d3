"""/v1/webhooks: what a shop says of its products, as it happens.

The signature is of the raw body and is checked before anything reads it. A webhook is on disk
when it is answered and carried out after: shops wait a few seconds at most.
"""

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr

from api_schemas.imports import WebhookAnswer
from service.errors import InvalidSignature, WebhookNotConfigured
from service.feeds.signatures import Shop, is_ping, is_signed
from service.imports.form import read_currency
from service.openapi import on_catalog
from service.routes.answers import answer
from service.routes.bodies import read_body
from service.routes.imports import desk_of
from service.routes.parameters import LeanRoute, catalog_of, services_of

router = APIRouter(prefix="/v1", route_class=LeanRoute, tags=["webhooks"])

_PRODUCT = {"schema": {"type": "object", "description": "the product, as the shop sends it"}}
_CURRENCY = {
    "name": "currency",
    "in": "query",
    "required": False,
    "description": "ISO 4217, of the shop's prices, which no webhook names",
    "schema": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "example": "EUR",
}
_DELETED = {**_PRODUCT, "example": {"id": 788032119674292922}}
_BODY = on_catalog(json=_DELETED)
_WEBHOOK = {**_BODY, "parameters": [*_BODY["parameters"], _CURRENCY]}


@router.post(
    "/webhooks/shopify",
    summary="Take a webhook of Shopify's",
    response_model=WebhookAnswer,
    openapi_extra=_WEBHOOK,
)
async def shopify(request: Request) -> Response:
    """Topics products/create, products/update and products/delete.

    Signed in X-Shopify-Hmac-SHA256. A delivery that came before is answered and not repeated.
    """
    secret = services_of(request).settings.shopify_webhook_secret
    return await _take("shopify", request, secret)


@router.post(
    "/webhooks/woocommerce",
    summary="Take a webhook of WooCommerce's",
    response_model=WebhookAnswer,
    openapi_extra=_WEBHOOK,
)
async def woocommerce(request: Request) -> Response:
    """Topics product.created, product.updated, product.restored and product.deleted.

    Signed in X-WC-Webhook-Signature. The unsigned question whether anyone listens gets a yes.
    """
    secret = services_of(request).settings.woocommerce_webhook_secret
    return await _take("woocommerce", request, secret)


async def _take(shop: Shop, request: Request, secret: SecretStr) -> Response:
    if not secret.get_secret_value():
        raise WebhookNotConfigured(
            f"no secret is set for {shop}; have LAPEL_{shop.upper()}_WEBHOOK_SECRET set"
        )
    body = await read_body(request, services_of(request).settings.max_request_bytes)
    if shop == "woocommerce" and is_ping(request.headers, body):
        return answer({"status": "ping"})
    if not is_signed(shop, request.headers, body, secret.get_secret_value()):
        raise InvalidSignature("the body is not signed with the secret that is set here")
    asked = request.query_params.get("currency")
    currency = None if asked is None else read_currency(asked)
    new = await desk_of(request).receive(
        shop, request.headers, body, catalog=catalog_of(request), currency=currency
    )
    return answer({"status": "accepted" if new else "known"})
