"""What a caller can be told about a screen, beside what `service.errors` has for everyone."""

# ruff: noqa: N818  -- the names are the API's, as in `service.errors`
from service.errors import ServiceError


class ScreenNotFound(ServiceError):
    """There is no screen of that id."""

    code, status, title = "screen_not_found", 404, "There is no such screen"


class NotifyNotAllowed(ServiceError):
    """The service sends no notifications, or not to there."""

    code, status, title = "notify_not_allowed", 422, "Notifications to there are not allowed"
