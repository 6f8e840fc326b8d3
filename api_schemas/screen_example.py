"""A screen as a service answered it, for the contract: four designs against a market of drawings.

`item-36` was copied from nothing: it is a drawing that happens to be like the shirt.
"""

from typing import Any, Final

Document = dict[str, Any]

REQUEST: Final[Document] = {
    "designs": {"catalog": "protected"},
    "suspects": {"catalog": "market", "where": {"in_stock": True}},
    "attributes": ["garment_type", "neckline", "pattern", "color"],
    "max_false_findings": 0.1,
    "limit_per_design": 1,
}
RESULT: Final[Document] = {
    "summary": {
        "designs": 4,
        "suspects": 102,
        "pairs": 408,
        "threshold": {
            "max_false_accusation_rate": 0.000244978,
            "smallest_rate_measured": 0.00016663889351774705,
            "min_probability": 0.9922099310583563,
            "policy": {
                "name": "custom",
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
        },
        "expected_false_findings": 0.09995102400000001,
        "findings": 3,
        "not_kept": 4,
        "note": None,
        "model": {"name": "lapel-garments", "version": "0.3.0", "fingerprint": "56cd0b00936140de"},
    },
    "findings": [
        {
            "design": {
                "catalog": "protected",
                "id": "striped-shirt",
                "image": None,
                "image_sha256": "a65f17763ae9f5629646ee24255d3fb11da2d10be1ec7c4d8e49eea126175f81",
            },
            "suspect": {
                "catalog": "market",
                "id": "item-36",
                "image": None,
                "image_sha256": "ae7153f996ce520cbe0baa057b5dddb01294b138a2e759d722baef072edd3f83",
            },
            "probability": 0.9931786447492449,
            "false_accusation_rate": 0.00016663889351774705,
            "points_alike": [
                {
                    "name": "neckline",
                    "similarity": 0.9998461008071899,
                    "chance": 2.7561876412546166e-05,
                    "likelihood_ratio": 16.764406931346844,
                },
                {
                    "name": "pattern",
                    "similarity": 0.9969702959060669,
                    "chance": 0.0006250000690747676,
                    "likelihood_ratio": 20.085536923187668,
                },
                {
                    "name": "garment_type",
                    "similarity": 0.9985301494598389,
                    "chance": 0.0008864998169768523,
                    "likelihood_ratio": 20.085536923187668,
                },
                {
                    "name": "color",
                    "similarity": 0.9911896586418152,
                    "chance": 0.000993496518360191,
                    "likelihood_ratio": 20.085536923187668,
                },
            ],
            "points_counted": 4,
            "points_required": 3,
            "not_visible": [],
            "copy": None,
        },
        {
            "design": {
                "catalog": "protected",
                "id": "red-hoodie",
                "image": None,
                "image_sha256": "1dd7e41dc645db7794495945071dcce15599a8faa067718c614bf76d4164332d",
            },
            "suspect": {
                "catalog": "market",
                "id": "item-198",
                "image": None,
                "image_sha256": "89f49835a841d704e14c4dcd3dc87fc0d4571575db89dc4fdf8d8124c4cfc5e2",
            },
            "probability": 0.9931101725724043,
            "false_accusation_rate": 0.00016663889351774705,
            "points_alike": [
                {
                    "name": "neckline",
                    "similarity": 0.9994825124740601,
                    "chance": 2.7561876412546166e-05,
                    "likelihood_ratio": 16.183556314075446,
                },
                {
                    "name": "garment_type",
                    "similarity": 0.9986907243728638,
                    "chance": 0.0005915796919886408,
                    "likelihood_ratio": 20.085536923187668,
                },
                {
                    "name": "color",
                    "similarity": 0.9912174940109253,
                    "chance": 0.0009756279357861255,
                    "likelihood_ratio": 20.085536923187668,
                },
                {
                    "name": "pattern",
                    "similarity": 0.991814136505127,
                    "chance": 0.0074806628075987334,
                    "likelihood_ratio": 20.085536923187668,
                },
            ],
            "points_counted": 4,
            "points_required": 3,
            "not_visible": [],
            "copy": None,
        },
        {
            "design": {
                "catalog": "protected",
                "id": "short-sleeved",
                "image": None,
                "image_sha256": "68b6de0547c8d7aca3c23b0414f83a2229bda6af55bbb9876a259040b7e7e315",
            },
            "suspect": {
                "catalog": "market",
                "id": "item-199",
                "image": None,
                "image_sha256": "886fd95ba5f742b949019799be07a7bb56fd83cea40a00da65a34666f17d6558",
            },
            "probability": 0.9930759140036334,
            "false_accusation_rate": 0.00016663889351774705,
            "points_alike": [
                {
                    "name": "neckline",
                    "similarity": 0.999222457408905,
                    "chance": 2.7561876412546166e-05,
                    "likelihood_ratio": 15.902611730450275,
                },
                {
                    "name": "color",
                    "similarity": 0.9952632784843445,
                    "chance": 0.00011249245543752772,
                    "likelihood_ratio": 20.085536923187668,
                },
                {
                    "name": "pattern",
                    "similarity": 0.9971728920936584,
                    "chance": 0.0005083934273724093,
                    "likelihood_ratio": 20.085536923187668,
                },
                {
                    "name": "garment_type",
                    "similarity": 0.9967257976531982,
                    "chance": 0.006125434609863132,
                    "likelihood_ratio": 20.085536923187668,
                },
            ],
            "points_counted": 4,
            "points_required": 3,
            "not_visible": [],
            "copy": None,
        },
    ],
}
SUMMARY: Final[Document] = RESULT["summary"]
FINDINGS: Final[list[Document]] = RESULT["findings"]
SCREEN: Final[Document] = {
    "id": "20261121T121050-8b2db1d8",
    "state": "done",
    "progress": 1.0,
    "notifications_waiting": 0,
    "detail": None,
    "created_at": "2026-11-21T12:10:50.444+00:00",
    "updated_at": "2026-11-21T12:10:50.639+00:00",
    "request": REQUEST,
    "summary": SUMMARY,
}
