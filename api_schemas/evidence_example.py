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
    "attention_sha256": "0641ea8678600c6ea0427b54db6fc67abff9960a97b048a5d2f91191b585da51",
}
_B: Final[Document] = {
    "name": "item-200",
    "sha256": "fd25d9fa6346aa7adc976e5ad4d8330d3d5f47bb3f92eb1dd373c0851e0f29d7",
    "bytes": 24744,
    "media_type": "image/jpeg",
    "width": 321,
    "height": 335,
    "attention_sha256": "aea490a3e771090dc627b1823b7ba813aaeb54669e89da6b14962a3e6eef161e",
}
EVIDENCE: Final[Document] = {
    "id": "b24cf115dc2e6a32d32197c6b2233ca9",
    "sha256": "b24cf115dc2e6a32d32197c6b2233ca976d0253fb7f9239e351b3fb04fed369a",
    "document": {
        "format": 1,
        "created_at": "2026-11-21T16:38:05.817+00:00",
        "program": "0.1.0",
        "model": {"name": "lapel-garments", "version": "0.5.0", "fingerprint": "18c857cc7be9c6f5"},
        "pictures": {"a": _A, "b": _B},
        "attention": {"rows": 10, "columns": 10, "fit": "pad"},
        "attributes": [
            {
                "name": "garment_type",
                "excluded": None,
                "similarity": 0.995391,
                "chance": 0.0145343,
                "likelihood_ratio": 20.0855,
                "a": {"value": "shirt", "probability": 0.914381, "visible": 1.0},
                "b": {"value": "shirt", "probability": 0.902661, "visible": 1.0},
                "weight": 0.6941,
                "exceeds": True,
            },
            {
                "name": "neckline",
                "excluded": None,
                "similarity": 0.999545,
                "chance": 2.78412e-05,
                "likelihood_ratio": 14.9425,
                "a": {"value": "collared", "probability": 0.860204, "visible": 1.0},
                "b": {"value": "collared", "probability": 0.859072, "visible": 1.0},
                "weight": 0.3129,
                "exceeds": True,
            },
            {
                "name": "pattern",
                "excluded": None,
                "similarity": 0.999296,
                "chance": 4.11278e-05,
                "likelihood_ratio": 20.0855,
                "a": {"value": "stripe", "probability": 0.89949, "visible": 0.999992},
                "b": {"value": "stripe", "probability": 0.902824, "visible": 0.999985},
                "weight": 0.2504,
                "exceeds": True,
            },
            {
                "name": "color",
                "excluded": None,
                "similarity": 0.996397,
                "chance": 0.000111316,
                "likelihood_ratio": 20.0855,
                "a": {"value": "blue", "probability": 0.808106, "visible": 0.999995},
                "b": {"value": "blue", "probability": 0.825419, "visible": 0.999992},
                "weight": 0.6034,
                "exceeds": True,
            },
        ],
        "verdict": {
            "outcome": "alike",
            "probability": 0.993142,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "points_counted": 4,
            "points_required": 3,
            "false_accusation_rate": 0.00283286,
            "detection_rate": 0.375,
        },
        "policy": {
            "name": "default",
            "attributes": {
                "garment_type": 0.6941,
                "neckline": 0.3129,
                "pattern": 0.2504,
                "color": 0.6034,
            },
            "max_chance": 0.2,
            "min_points": 3,
            "min_probability": 0.973,
        },
        "edited_copy": {
            "similarity": 0.986063,
            "a_is_copy_of_b": 0.816111,
            "b_is_copy_of_a": 0.999746,
            "decision": "b_is_copy_of_a",
            "false_accusation_rate": 0.00946143,
            "alignment": {
                "points": 126,
                "agreement": 0.982995,
                "mirrored": True,
                "shown_of_a": 0.838125,
                "shown_of_b": 1.0,
                "a_in_b": [
                    [1.06114, -0.0300893],
                    [-0.0612306, -0.0299015],
                    [-0.0612299, 1.04509],
                    [1.06114, 1.0449],
                ],
                "b_in_a": [
                    [0.945445, 0.0278251],
                    [0.0544763, 0.0279807],
                    [0.0544769, 0.95822],
                    [0.945446, 0.958064],
                ],
                "seam_of_a": 0.0,
                "seam_of_b": 0.0,
            },
        },
        "conceptual": {
            "budgets": [1, 2, 3, 4],
            "budget_bits": [3.76325, 6.23277, 7.75819, 11.5251],
            "distances": [1.92138e-05, 0.000285314, 0.000295412, 0.000401313],
            "order": ["pattern", "color", "neckline", "garment_type"],
            "differences": [1.92138e-05, 0.000266101, 1.00971e-05, 0.000105901],
            "area": 0.000250313,
            "statements_a": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.63782},
                {"attribute": "pattern", "value": "stripe", "bits": 3.61043},
                {"attribute": "color", "value": "blue", "bits": 2.16214},
                {"attribute": "neckline", "value": "collared", "bits": 1.30817},
            ],
            "statements_b": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.61921},
                {"attribute": "pattern", "value": "stripe", "bits": 3.61577},
                {"attribute": "color", "value": "blue", "bits": 2.19272},
                {"attribute": "neckline", "value": "collared", "bits": 1.30627},
            ],
            "parting": None,
            "clear": False,
            "alike_down_to": "garment_type",
            "not_compared": [],
            "sentence": "Alike in all that both show (pattern, color, neckline "
            "and garment type), as far as can be told.",
        },
        "background": {
            "chance_pairs": 87210,
            "fitted_on": "valid",
            "measured_on": "test",
            "false_accusation_interval": None,
            "detection_rates": None,
            "calibration_error": None,
            "copies": {
                "measured_on": "valid",
                "compared_with": 457,
                "detection_rate": 0.852984,
                "wrong_direction_rate": 0.0247718,
                "threshold": 0.934293,
            },
        },
    },
}
EVIDENCE_LIST: Final[Document] = {
    "evidence": [
        {
            "id": "1bf6385e278b4cc51084593e5907538f",
            "sha256": "1bf6385e278b4cc51084593e5907538f9cbc8b17b6b49fbf0b03a4a9e8dde341",
            "created_at": "2026-11-21T16:38:06.280+00:00",
            "name_a": "striped-shirt",
            "name_b": "seen in a window",
            "outcome": "not_alike",
            "probability": 0.994318,
            "points_alike": ["neckline", "closure", "pattern"],
            "policy": "strict",
        },
        {
            "id": "b24cf115dc2e6a32d32197c6b2233ca9",
            "sha256": "b24cf115dc2e6a32d32197c6b2233ca976d0253fb7f9239e351b3fb04fed369a",
            "created_at": "2026-11-21T16:38:05.817+00:00",
            "name_a": "striped-shirt",
            "name_b": "item-200",
            "outcome": "alike",
            "probability": 0.993142,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "policy": "default",
        },
    ],
    "next_cursor": None,
}
VERIFICATION: Final[Document] = {
    "id": "b24cf115dc2e6a32d32197c6b2233ca9",
    "sha256": "b24cf115dc2e6a32d32197c6b2233ca976d0253fb7f9239e351b3fb04fed369a",
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
