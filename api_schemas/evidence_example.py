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
    "attention_sha256": "0406f8939f93ec8771975623a11f5615c6d7f5144e13649c244b05c00ed875ec",
}
_B: Final[Document] = {
    "name": "item-200",
    "sha256": "fd25d9fa6346aa7adc976e5ad4d8330d3d5f47bb3f92eb1dd373c0851e0f29d7",
    "bytes": 24744,
    "media_type": "image/jpeg",
    "width": 321,
    "height": 335,
    "attention_sha256": "3d837aa8825188cfb8e62e37425354c0b2fb53c65bae7c3341b0fa8f3016400d",
}
EVIDENCE: Final[Document] = {
    "id": "caecbceab79ec688ccc09631d51d9d40",
    "sha256": "caecbceab79ec688ccc09631d51d9d404a5516d885584b44c3600f662c8c6112",
    "document": {
        "format": 1,
        "created_at": "2026-11-22T01:30:49.557+00:00",
        "program": "0.1.0",
        "model": {"name": "lapel-garments", "version": "0.8.0", "fingerprint": "bf5c8548a9f8bc7d"},
        "pictures": {"a": _A, "b": _B},
        "attention": {"rows": 12, "columns": 12, "fit": "pad"},
        "attributes": [
            {
                "name": "garment_type",
                "excluded": None,
                "similarity": 0.998474,
                "chance": 0.00127793,
                "likelihood_ratio": 20.0855,
                "a": {"value": "shirt", "probability": 0.921638, "visible": 1.0},
                "b": {"value": "shirt", "probability": 0.922257, "visible": 1.0},
                "weight": 0.6599,
                "exceeds": True,
            },
            {
                "name": "neckline",
                "excluded": None,
                "similarity": 0.999491,
                "chance": 0.000109487,
                "likelihood_ratio": 16.1616,
                "a": {"value": "collared", "probability": 0.882975, "visible": 0.999995},
                "b": {"value": "collared", "probability": 0.882698, "visible": 0.999996},
                "weight": 0.2916,
                "exceeds": True,
            },
            {
                "name": "pattern",
                "excluded": None,
                "similarity": 0.997884,
                "chance": 2.88516e-05,
                "likelihood_ratio": 20.0855,
                "a": {"value": "stripe", "probability": 0.922892, "visible": 0.999962},
                "b": {"value": "stripe", "probability": 0.924292, "visible": 0.999893},
                "weight": 0.2653,
                "exceeds": True,
            },
            {
                "name": "color",
                "excluded": None,
                "similarity": 0.997307,
                "chance": 0.000141983,
                "likelihood_ratio": 20.0855,
                "a": {"value": "blue", "probability": 0.810238, "visible": 0.999966},
                "b": {"value": "blue", "probability": 0.815409, "visible": 0.999941},
                "weight": 0.5302,
                "exceeds": True,
            },
        ],
        "verdict": {
            "outcome": "alike",
            "probability": 0.990992,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "points_counted": 4,
            "points_required": 2,
            "false_accusation_rate": 0.00183303,
            "detection_rate": 0.368333,
        },
        "policy": {
            "name": "default",
            "attributes": {
                "garment_type": 0.6599,
                "neckline": 0.2916,
                "pattern": 0.2653,
                "color": 0.5302,
            },
            "max_chance": 0.02,
            "min_points": 2,
            "min_probability": 0.867,
        },
        "edited_copy": {
            "similarity": 0.989059,
            "a_is_copy_of_b": 0.925081,
            "b_is_copy_of_a": 0.999789,
            "decision": "b_is_copy_of_a",
            "false_accusation_rate": 0.00946143,
            "alignment": {
                "points": 126,
                "agreement": 0.980607,
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
            "distances": [3.08367e-06, 6.64094e-05, 8.44197e-05, 9.90314e-05],
            "order": ["pattern", "color", "neckline", "garment_type"],
            "differences": [3.08367e-06, 6.33257e-05, 1.80103e-05, 1.46117e-05],
            "area": 6.3236e-05,
            "statements_a": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.64923},
                {"attribute": "pattern", "value": "stripe", "bits": 3.64748},
                {"attribute": "color", "value": "blue", "bits": 2.16594},
                {"attribute": "neckline", "value": "collared", "bits": 1.34586},
            ],
            "statements_b": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.6502},
                {"attribute": "pattern", "value": "stripe", "bits": 3.64967},
                {"attribute": "color", "value": "blue", "bits": 2.17512},
                {"attribute": "neckline", "value": "collared", "bits": 1.34541},
            ],
            "parting": None,
            "clear": False,
            "alike_down_to": "garment_type",
            "not_compared": [],
            "sentence": "Alike in all that both show (pattern, color, neckline and garment type), "
            "as far as can be told.",
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
                "detection_rate": 0.859534,
                "wrong_direction_rate": 0.0247718,
                "threshold": 0.932855,
            },
        },
    },
}
EVIDENCE_LIST: Final[Document] = {
    "evidence": [
        {
            "id": "f789e5a874f7e853e71d54af4482f1d3",
            "sha256": "f789e5a874f7e853e71d54af4482f1d3a7ce5d041f38f53f5a630a00f582a28e",
            "created_at": "2026-11-22T01:30:49.729+00:00",
            "name_a": "striped-shirt",
            "name_b": "seen in a window",
            "outcome": "alike",
            "probability": 0.995147,
            "points_alike": ["neckline", "sleeve_length", "closure", "pattern"],
            "policy": "strict",
        },
        {
            "id": "caecbceab79ec688ccc09631d51d9d40",
            "sha256": "caecbceab79ec688ccc09631d51d9d404a5516d885584b44c3600f662c8c6112",
            "created_at": "2026-11-22T01:30:49.557+00:00",
            "name_a": "striped-shirt",
            "name_b": "item-200",
            "outcome": "alike",
            "probability": 0.990992,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "policy": "default",
        },
    ],
    "next_cursor": None,
}
VERIFICATION: Final[Document] = {
    "id": "caecbceab79ec688ccc09631d51d9d40",
    "sha256": "caecbceab79ec688ccc09631d51d9d404a5516d885584b44c3600f662c8c6112",
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
