"""What a caller can be told of evidence, beside `service.errors`."""

# ruff: noqa: N818  -- the names are the API's
from service.errors import ServiceError


class EvidenceNotFound(ServiceError):
    """There is no evidence of that id."""

    code, status, title = "evidence_not_found", 404, "There is no such evidence"


class EvidenceUnavailable(ServiceError):
    """The model's card lacks what evidence is measured against."""

    code, status, title = "evidence_unavailable", 409, "The model has no evidence figures"


class EvidenceAltered(ServiceError):
    """What is stored is not what was found."""

    code, status, title = "evidence_altered", 409, "The evidence was altered"
