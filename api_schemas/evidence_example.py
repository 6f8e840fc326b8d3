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
    "attention_sha256": "82b91daaf051473e6e5f66e1ca24173aa22f63f677a90494c4a1856241dcf295",
}
_B: Final[Document] = {
    "name": "item-200",
    "sha256": "fd25d9fa6346aa7adc976e5ad4d8330d3d5f47bb3f92eb1dd373c0851e0f29d7",
    "bytes": 24744,
    "media_type": "image/jpeg",
    "width": 321,
    "height": 335,
    "attention_sha256": "e84a64f4897befca1c515a4cb2e71db74b8eb880d925a6f9b9848e1c50af31c8",
}
EVIDENCE: Final[Document] = {
    "id": "f321b55e8c4e39c94d6b472f41fc8728",
    "sha256": "f321b55e8c4e39c94d6b472f41fc8728c2e47ec26e589fe5e9d468951b212f9a",
    "document": {
        "format": 1,
        "created_at": "2026-11-21T22:15:45.040+00:00",
        "program": "0.1.0",
        "model": {"name": "lapel-garments", "version": "0.7.0", "fingerprint": "d3fad440a01e21b7"},
        "pictures": {"a": _A, "b": _B},
        "attention": {"rows": 12, "columns": 12, "fit": "pad"},
        "attributes": [
            {
                "name": "garment_type",
                "excluded": None,
                "similarity": 0.998867,
                "chance": 0.000643684,
                "likelihood_ratio": 20.0855,
                "a": {"value": "shirt", "probability": 0.9183, "visible": 1.0},
                "b": {"value": "shirt", "probability": 0.91883, "visible": 1.0},
                "weight": 0.6617,
                "exceeds": True,
            },
            {
                "name": "neckline",
                "excluded": None,
                "similarity": 0.999564,
                "chance": 5.94179e-05,
                "likelihood_ratio": 17.3811,
                "a": {"value": "collared", "probability": 0.882862, "visible": 0.999994},
                "b": {"value": "collared", "probability": 0.882967, "visible": 0.999995},
                "weight": 0.281,
                "exceeds": True,
            },
            {
                "name": "pattern",
                "excluded": None,
                "similarity": 0.998873,
                "chance": 0.000130584,
                "likelihood_ratio": 20.0855,
                "a": {"value": "stripe", "probability": 0.902233, "visible": 0.999941},
                "b": {"value": "stripe", "probability": 0.904391, "visible": 0.999824},
                "weight": 0.2476,
                "exceeds": True,
            },
            {
                "name": "color",
                "excluded": None,
                "similarity": 0.992632,
                "chance": 0.000218162,
                "likelihood_ratio": 20.0855,
                "a": {"value": "blue", "probability": 0.808621, "visible": 0.999939},
                "b": {"value": "blue", "probability": 0.822538, "visible": 0.9999},
                "weight": 0.5312,
                "exceeds": True,
            },
        ],
        "verdict": {
            "outcome": "alike",
            "probability": 0.990345,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "points_counted": 4,
            "points_required": 2,
            "false_accusation_rate": 0.00166639,
            "detection_rate": 0.3475,
        },
        "policy": {
            "name": "default",
            "attributes": {
                "garment_type": 0.6617,
                "neckline": 0.281,
                "pattern": 0.2476,
                "color": 0.5312,
            },
            "max_chance": 0.02,
            "min_points": 2,
            "min_probability": 0.894,
        },
        "edited_copy": {
            "similarity": 0.990362,
            "a_is_copy_of_b": 0.928615,
            "b_is_copy_of_a": 0.999765,
            "decision": "b_is_copy_of_a",
            "false_accusation_rate": 0.00946143,
            "alignment": {
                "points": 126,
                "agreement": 0.980592,
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
            "distances": [1.04203e-05, 0.000179206, 0.00019418, 0.00020405],
            "order": ["pattern", "color", "neckline", "garment_type"],
            "differences": [1.04203e-05, 0.000168785, 1.49739e-05, 9.87053e-06],
            "area": 0.000146964,
            "statements_a": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.64399},
                {"attribute": "pattern", "value": "stripe", "bits": 3.61482},
                {"attribute": "color", "value": "blue", "bits": 2.16306},
                {"attribute": "neckline", "value": "collared", "bits": 1.34568},
            ],
            "statements_b": [
                {"attribute": "garment_type", "value": "shirt", "bits": 3.64483},
                {"attribute": "pattern", "value": "stripe", "bits": 3.61827},
                {"attribute": "color", "value": "blue", "bits": 2.18768},
                {"attribute": "neckline", "value": "collared", "bits": 1.34585},
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
                "detection_rate": 0.851528,
                "wrong_direction_rate": 0.0247718,
                "threshold": 0.938444,
            },
        },
    },
}
EVIDENCE_LIST: Final[Document] = {
    "evidence": [
        {
            "id": "6c93bd78b0b411900419bf1687931a26",
            "sha256": "6c93bd78b0b411900419bf1687931a261c1942d07e11d9f82f3001c1f3760779",
            "created_at": "2026-11-21T22:15:45.291+00:00",
            "name_a": "striped-shirt",
            "name_b": "seen in a window",
            "outcome": "not_alike",
            "probability": 0.994607,
            "points_alike": ["neckline", "pattern", "color"],
            "policy": "strict",
        },
        {
            "id": "f321b55e8c4e39c94d6b472f41fc8728",
            "sha256": "f321b55e8c4e39c94d6b472f41fc8728c2e47ec26e589fe5e9d468951b212f9a",
            "created_at": "2026-11-21T22:15:45.040+00:00",
            "name_a": "striped-shirt",
            "name_b": "item-200",
            "outcome": "alike",
            "probability": 0.990345,
            "points_alike": ["garment_type", "neckline", "pattern", "color"],
            "policy": "default",
        },
    ],
    "next_cursor": None,
}
VERIFICATION: Final[Document] = {
    "id": "f321b55e8c4e39c94d6b472f41fc8728",
    "sha256": "f321b55e8c4e39c94d6b472f41fc8728c2e47ec26e589fe5e9d468951b212f9a",
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
