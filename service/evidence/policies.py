"""A caller's policy, made whole with the model's own and refused where it makes no sense."""

from collections.abc import Sequence

from api_schemas.card import ModelCard
from api_schemas.evidence import Policy as PolicyDocument
from api_schemas.evidence import PolicyRequest
from model.evidence import examining as examination
from model.evidence.examining import Policy
from service.errors import InvalidRequest
from service.evidence.errors import EvidenceUnavailable
from service.queries import attribute_indices


def read_policy(
    asked: PolicyRequest | None, names: Sequence[str] | None, card: ModelCard
) -> Policy | None:
    """The policy to apply; None for the model's own.

    Args:
        asked: the caller's; what it leaves out is as in the model's own.
        names: attributes that are examined; None for all.
        card: of the model.

    Raises:
        EvidenceUnavailable: the model has none of its own.
        UnknownAttribute: the policy counts an attribute that the model does not have.
        InvalidRequest: nobody could meet it.
    """
    if asked is None:
        return None
    if asked.attributes is not None:
        attribute_indices(card, asked.attributes)
    own = _own(card)
    given = asked.model_dump(exclude_none=True)
    policy = own._replace(**given)
    _require_sense(policy, names)
    return policy


def _own(card: ModelCard) -> Policy:
    try:
        return examination.default_policy(card)
    except examination.EvidenceUnavailable as exc:
        raise EvidenceUnavailable(str(exc)) from exc


def _require_sense(policy: Policy, names: Sequence[str] | None) -> None:
    counted = [name for name in policy.attributes if names is None or name in names]
    if names is not None and not counted:
        raise InvalidRequest(
            f"policy: none of the attributes asked for ({', '.join(names)}) counts in it; "
            f"it counts {', '.join(policy.attributes)}"
        )
    if policy.min_points > len(counted):
        raise InvalidRequest(
            f"policy: min_points is {policy.min_points}, which nobody can reach: "
            f"{len(counted)} attributes count ({', '.join(counted)})"
        )


def policy_of(document: PolicyDocument) -> Policy:
    """The policy that a document speaks of."""
    return Policy(**document.model_dump())
