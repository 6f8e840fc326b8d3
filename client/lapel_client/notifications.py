"""What the service sends by itself, for the program that takes it."""

import base64
import hmac

from lapel_client.answers import ScreenNotification
from lapel_client.call import parse
from lapel_client.errors import NotSigned

SIGNATURE = "X-Lapel-Hmac-Sha256"


def read_notification(body: bytes, signature: str, secret: str) -> ScreenNotification:
    """New findings of a screen, if it was the service that sent them.

    Args:
        body: as it came, byte for byte.
        signature: of the header X-Lapel-Hmac-Sha256.
        secret: the service's LAPEL_SCREEN_WEBHOOK_SECRET.

    Raises:
        NotSigned: another sent it, or it was changed on the way.
        UnexpectedAnswer: it is no such notification.
    """
    ours = base64.b64encode(hmac.digest(secret.encode(), body, "sha256"))
    if not hmac.compare_digest(ours, signature.encode()):
        raise NotSigned(f"the header {SIGNATURE} is not the signature of this body")
    return parse(body, ScreenNotification)
