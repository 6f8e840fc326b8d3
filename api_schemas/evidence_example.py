"""Evidence as a service gave it, for the contract: a photograph, and the same cut and mirrored.

Nothing is shortened, so that the hash can be computed again.
"""

from typing import Any, Final

Document = dict[str, Any]

REQUEST: Final[Document] = {
    "a": {"garment_id": "striped-shirt", "catalog": "protected"},
    "b": {"garment_id": "item-200", "catalog": "market"},
    "attributes": ["garment_type", "neckline", "pattern", "color"],
}
_A: Final[Document] = {
    "name": "striped-shirt",
    "sha256": "a65f17763ae9f5629646ee24255d3fb11da2d10be1ec7c4d8e49eea126175f81",
    "bytes": 23634,
    "media_type": "image/jpeg",
    "width": 360,
    "height": 360,
    "attention_sha256": "02c3fb55753cb55bd005739585603ab7134849cacc83b3c3faca9d215c1d249f",
}
_B: Final[Document] = {
    "name": "item-200",
    "sha256": "4652662b2d2963714041bba50911171da90d47ab8e4a568d2410b67fce39c197",
    "bytes": 19271,
    "media_type": "image/jpeg",
    "width": 321,
    "height": 335,
    "attention_sha256": "d0c405a2c11d534e14dab679d65fe1db420ffe8273497ca68a6ac0e0b001c234",
}
EVIDENCE: Final[Document] = {
    "id": "7219aca02ac8d902d04c5d1a725cfc54",
    "sha256": "7219aca02ac8d902d04c5d1a725cfc5447d1612ec4299fa21963ff790c4e6417",
    "document": {
        "format": 1,
        "created_at": "2026-11-21T12:10:49.101+00:00",
        "program": "0.1.0",
        "model": {"name": "lapel-garments", "version": "0.3.0", "fingerprint": "56cd0b00936140de"},
        "pictures": {
            "a": _A,
            "b": _B,
        },
        "attention": {"rows": 10, "columns": 10, "fit": "pad"},
        "attributes": [
            {
                "name": "garment_type",
                "excluded": None,
                "similarity": 0.998885,
                "chance": 0.000320342,
                "likelihood_ratio": 20.0855,
                "a": {"value": "shirt", "probability": 0.901024, "visible": 0.999999},
                "b": {"value": "shirt", "probability": 0.899247, "visible": 0.999998},
                "weight": 0.7183,
                "exceeds": True,
            },
            {
                "name": "neckline",
                "excluded": None,
                "similarity": 0.999369,
                "chance": 2.75619e-05,
                "likelihood_ratio": 16.0535,
                "a": {"value": "collared", "probability": 0.855988, "visible": 1.0},
                "b": {"value": "collared", "probability": 0.853167, "visible": 1.0},
                "weight": 0.2852,
                "exceeds": True,
            },
            {
                "name": "pattern",
                "excluded": None,
                "similarity": 0.996283,
                "chance": 0.00110801,
                "likelihood_ratio": 20.0855,
                "a": {"value": "stripe", "probability": 0.867335, "visible": 0.999983},
                "b": {"value": "stripe", "probability": 0.88534, "visible": 0.999982},
                "weight": 0.2552,
                "exceeds": True,
            },
            {
                "name": "color",
                "excluded": None,
                "similarity": 0.994531,
                "chance": 0.000252089,
                "likelihood_ratio": 20.0855,
                "a": {"value": "blue", "probability": 0.820318, "visible": 0.999995},
                "b": {"value": "blue", "probability": 0.839757, "visible": 0.999992},
                "weight": 0.598,
                "exceeds": True,
            },
        ],
        "verdict": {
            "outcome": "alike",
            "probability": 0.993094,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "points_counted": 4,
            "points_required": 3,
            "false_accusation_rate": 0.00216631,
            "detection_rate": 0.345,
        },
        "policy": {
            "name": "default",
            "attributes": {
                "garment_type": 0.7183,
                "neckline": 0.2852,
                "pattern": 0.2552,
                "color": 0.598,
            },
            "max_chance": 0.1,
            "min_points": 3,
            "min_probability": 0.964,
        },
        "edited_copy": None,
        "conceptual": {
            "budgets": [1, 2, 3, 4],
            "budget_bits": [3.80735, 6.80735, 9.61471, 13.6147],
            "distances": [0.000230692, 0.000334262, 0.000351606, 0.000356236],
            "order": ["color", "pattern", "neckline", "garment_type"],
            "differences": [0.000230692, 0.00010357, 1.73434e-05, 4.63064e-06],
            "area": 0.000318199,
            "statements_a": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.84964},
                {"attribute": "color", "value": "blue", "bits": 3.52161},
                {"attribute": "pattern", "value": "stripe", "bits": 2.79466},
                {"attribute": "neckline", "value": "collared", "bits": 2.58302},
            ],
            "statements_b": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.84679},
                {"attribute": "color", "value": "blue", "bits": 3.5554},
                {"attribute": "pattern", "value": "stripe", "bits": 2.8243},
                {"attribute": "neckline", "value": "collared", "bits": 2.57826},
            ],
            "parting": None,
            "clear": False,
            "alike_down_to": "garment_type",
            "not_compared": [],
            "sentence": "Alike in all that both show (color, pattern, neckline "
            "and garment type), as far as can be told.",
        },
        "background": {
            "chance_pairs": 87210,
            "fitted_on": "valid",
            "measured_on": "test",
            "false_accusation_interval": None,
            "detection_rates": None,
            "calibration_error": None,
            "copies": None,
        },
    },
}
EVIDENCE_LIST: Final[Document] = {
    "evidence": [
        {
            "id": "b2a382a8b940871380e007b65e64ba8b",
            "sha256": "b2a382a8b940871380e007b65e64ba8bfed3b8b356f8724af54fff38fdae2fb5",
            "created_at": "2026-11-21T12:10:49.141+00:00",
            "name_a": "striped-shirt",
            "name_b": "seen in a window",
            "outcome": "alike",
            "probability": 0.996088,
            "points_alike": [
                "garment_type",
                "collar",
                "neckline",
                "sleeve_length",
                "closure",
                "pattern",
                "color",
            ],
            "policy": "strict",
        },
        {
            "id": "7219aca02ac8d902d04c5d1a725cfc54",
            "sha256": "7219aca02ac8d902d04c5d1a725cfc5447d1612ec4299fa21963ff790c4e6417",
            "created_at": "2026-11-21T12:10:49.101+00:00",
            "name_a": "striped-shirt",
            "name_b": "item-200",
            "outcome": "alike",
            "probability": 0.993094,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "policy": "default",
        },
    ],
    "next_cursor": None,
}
VERIFICATION: Final[Document] = {
    "id": "7219aca02ac8d902d04c5d1a725cfc54",
    "sha256": "7219aca02ac8d902d04c5d1a725cfc5447d1612ec4299fa21963ff790c4e6417",
    "unaltered": True,
    "reproduced": True,
    "checks": [
        {"name": "document", "holds": True, "detail": "its hash is the recorded one"},
        {"name": "picture_a", "holds": True, "detail": "its sha256 is that in the document"},
        {"name": "attention_a", "holds": True, "detail": "its sha256 is that in the document"},
        {"name": "picture_b", "holds": True, "detail": "its sha256 is that in the document"},
        {"name": "attention_b", "holds": True, "detail": "its sha256 is that in the document"},
        {
            "name": "figures",
            "holds": True,
            "detail": "computed again from the files, they are the same",
        },
    ],
}
