import pytest
from pydantic import ValidationError

from api_schemas.images import MAX_URL_LENGTH, ImageReference, QueryReference


@pytest.mark.parametrize(
    "document",
    [
        '{"base64": "aaaa"}',
        '{"url": "https://example.com/a.jpg"}',
        '{"garment_id": "x"}',
        '{"garment_id": "x", "catalog": "c"}',
    ],
)
def test_a_reference_has_one_source(document: str):
    ImageReference.model_validate_json(document)
    assert QueryReference.model_validate_json(document).has_source


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{}", "got none"),
        ('{"base64": null}', "got none"),
        ('{"base64": "a", "garment_id": "x"}', "got base64 and garment_id"),
        ('{"base64": "a", "url": "https://a.b"}', "got base64 and url"),
        ('{"url": "https://a.b", "catalog": "c"}', "catalog only goes with garment_id"),
        ('{"url": ""}', "at least 1 character"),
        ('{"url": "https://a.b/' + "x" * MAX_URL_LENGTH + '"}', "at most 4096 characters"),
        ('{"base64": "a", "catalog": "c"}', "catalog only goes with garment_id"),
    ],
)
def test_a_reference_without_or_with_two_sources_is_refused(document: str, said: str):
    with pytest.raises(ValidationError, match=said):
        ImageReference.model_validate_json(document)


def test_a_query_may_swap_values_of_an_image_that_comes_beside_it():
    query = QueryReference.model_validate_json('{"replace": {"collar": "shirt"}}')
    assert not query.has_source


@pytest.mark.parametrize(
    "document",
    [
        '{"values": {"collar": "shirt"}, "garment_id": "x"}',
        '{"values": {"collar": "shirt"}, "url": "https://a.b"}',
        '{"values": {"collar": "shirt"}, "replace": {"collar": "polo"}}',
        '{"values": {}}',
        '{"replace": {}, "garment_id": "x"}',
        '{"values": {"collar": 1}}',
    ],
)
def test_a_query_that_contradicts_itself_is_refused(document: str):
    with pytest.raises(ValidationError):
        QueryReference.model_validate_json(document)
