import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from model.encoder import SHIPPED_MODEL, ModelFileError
from service.services import open_encoder
from service.settings import Settings

TABLE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `LAPEL_([A-Z_]+)` \| (.*) \| (.*) \|$", re.MULTILINE)


def documented() -> dict[str, tuple[str, str]]:
    rows = ROW.findall(TABLE.read_text(encoding="utf-8"))
    return {name.lower(): (default, text) for name, default, text in rows}


def shown(value: object) -> str:
    if value == SHIPPED_MODEL:
        return "model/weights/lapel.onnx"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_table_and_the_settings_say_the_same():
    fields = Settings.model_fields
    assert documented() == {
        name: (shown(field.default), field.description) for name, field in fields.items()
    }


def test_a_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LAPEL_PORT", "9000")
    monkeypatch.setenv("LAPEL_STORE_IMAGES", "false")
    settings = Settings()
    assert (settings.port, settings.store_images) == (9000, False)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PORT", "65536"), ("CACHE_MIB", "-1"), ("BATCH_MAX_IMAGES", "0"), ("LOG_LEVEL", "loud")],
)
def test_a_value_out_of_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
):
    monkeypatch.setenv(f"LAPEL_{variable}", value)
    with pytest.raises(ValidationError, match=variable.lower()):
        Settings()


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_a_bulk_line_has_room_for_the_largest_image_in_base64():
    settings = Settings(max_image_mib=3)
    assert settings.max_line_bytes >= 4 * ((settings.max_image_bytes + 2) // 3)


def test_a_device_without_its_provider_is_refused_by_name():
    with pytest.raises(ModelFileError, match="CUDAExecutionProvider"):
        open_encoder(Settings(device="cuda"))
