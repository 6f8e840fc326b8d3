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
    "attention_sha256": "a1fcf1995a3d83022cb8e1a8be8ae8016ae56d19c7a471e29a4393277b78bb8b",
}
_B: Final[Document] = {
    "name": "item-200",
    "sha256": "fd25d9fa6346aa7adc976e5ad4d8330d3d5f47bb3f92eb1dd373c0851e0f29d7",
    "bytes": 24744,
    "media_type": "image/jpeg",
    "width": 321,
    "height": 335,
    "attention_sha256": "4203d6753fb2275aec4301cc3f6b826d2f75fbf4db0e2c89f3568c75f09ff197",
}
EVIDENCE: Final[Document] = {
    "id": "213a363c39c26f4c4f89ff1b9f1f4656",
    "sha256": "213a363c39c26f4c4f89ff1b9f1f4656096fda0841627b220c405d1e3507b112",
    "document": {
        "format": 1,
        "created_at": "2026-11-21T19:27:37.773+00:00",
        "program": "0.1.0",
        "model": {"name": "lapel-garments", "version": "0.6.0", "fingerprint": "25eb2dacda82b4b9"},
        "pictures": {"a": _A, "b": _B},
        "attention": {"rows": 10, "columns": 10, "fit": "pad"},
        "attributes": [
            {
                "name": "garment_type",
                "excluded": None,
                "similarity": 0.9993,
                "chance": 3.38881e-05,
                "likelihood_ratio": 20.0855,
                "a": {"value": "shirt", "probability": 0.917742, "visible": 1.0},
                "b": {"value": "shirt", "probability": 0.917607, "visible": 1.0},
                "weight": 0.6725,
                "exceeds": True,
            },
            {
                "name": "neckline",
                "excluded": None,
                "similarity": 0.999815,
                "chance": 2.78303e-05,
                "likelihood_ratio": 14.9185,
                "a": {"value": "collared", "probability": 0.868833, "visible": 1.0},
                "b": {"value": "collared", "probability": 0.868607, "visible": 1.0},
                "weight": 0.3008,
                "exceeds": True,
            },
            {
                "name": "pattern",
                "excluded": None,
                "similarity": 0.999588,
                "chance": 1.40698e-05,
                "likelihood_ratio": 20.0855,
                "a": {"value": "stripe", "probability": 0.904938, "visible": 0.999989},
                "b": {"value": "stripe", "probability": 0.903716, "visible": 0.999985},
                "weight": 0.2405,
                "exceeds": True,
            },
            {
                "name": "color",
                "excluded": None,
                "similarity": 0.991741,
                "chance": 0.000953884,
                "likelihood_ratio": 20.0855,
                "a": {"value": "blue", "probability": 0.771791, "visible": 0.999992},
                "b": {"value": "blue", "probability": 0.819791, "visible": 0.999992},
                "weight": 0.6081,
                "exceeds": True,
            },
        ],
        "verdict": {
            "outcome": "alike",
            "probability": 0.992351,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "points_counted": 4,
            "points_required": 2,
            "false_accusation_rate": 0.00133311,
            "detection_rate": 0.304167,
        },
        "policy": {
            "name": "default",
            "attributes": {
                "garment_type": 0.6725,
                "neckline": 0.3008,
                "pattern": 0.2405,
                "color": 0.6081,
            },
            "max_chance": 0.02,
            "min_points": 2,
            "min_probability": 0.897,
        },
        "edited_copy": {
            "similarity": 0.987916,
            "a_is_copy_of_b": 0.86718,
            "b_is_copy_of_a": 0.999732,
            "decision": "b_is_copy_of_a",
            "false_accusation_rate": 0.00946143,
            "alignment": {
                "points": 126,
                "agreement": 0.97994,
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
            "distances": [8.18344e-06, 0.00166392, 0.00166844, 0.00167378],
            "order": ["pattern", "color", "neckline", "garment_type"],
            "differences": [8.18344e-06, 0.00165574, 4.51389e-06, 5.34602e-06],
            "area": 0.00125358,
            "statements_a": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.64312},
                {"attribute": "pattern", "value": "stripe", "bits": 3.61914},
                {"attribute": "color", "value": "blue", "bits": 2.0958},
                {"attribute": "neckline", "value": "collared", "bits": 1.32257},
            ],
            "statements_b": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.6429},
                {"attribute": "pattern", "value": "stripe", "bits": 3.61719},
                {"attribute": "color", "value": "blue", "bits": 2.18285},
                {"attribute": "neckline", "value": "collared", "bits": 1.32219},
            ],
            "parting": "color",
            "clear": False,
            "alike_down_to": "pattern",
            "not_compared": [],
            "sentence": "Nothing that both show sets them clearly apart; least alike in color.",
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
                "detection_rate": 0.841339,
                "wrong_direction_rate": 0.0143416,
                "threshold": 0.941407,
            },
        },
    },
}
EVIDENCE_LIST: Final[Document] = {
    "evidence": [
        {
            "id": "e5228967f980193b6c608f9db5ad77b5",
            "sha256": "e5228967f980193b6c608f9db5ad77b5f04ecfd9909bdb2e9c2ecfe86427dfba",
            "created_at": "2026-11-21T19:27:38.723+00:00",
            "name_a": "striped-shirt",
            "name_b": "seen in a window",
            "outcome": "not_alike",
            "probability": 0.993668,
            "points_alike": ["neckline", "closure", "pattern"],
            "policy": "strict",
        },
        {
            "id": "213a363c39c26f4c4f89ff1b9f1f4656",
            "sha256": "213a363c39c26f4c4f89ff1b9f1f4656096fda0841627b220c405d1e3507b112",
            "created_at": "2026-11-21T19:27:37.773+00:00",
            "name_a": "striped-shirt",
            "name_b": "item-200",
            "outcome": "alike",
            "probability": 0.992351,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "policy": "default",
        },
    ],
    "next_cursor": None,
}
VERIFICATION: Final[Document] = {
    "id": "213a363c39c26f4c4f89ff1b9f1f4656",
    "sha256": "213a363c39c26f4c4f89ff1b9f1f4656096fda0841627b220c405d1e3507b112",
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
