from __future__ import annotations

import json
import tomllib

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.config import Settings, parse, sections
from querist.core.errors import SettingError
from querist.pipeline.template import DATA, TEMPLATE


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"query": {"batch_size": 0}}, ["query.batch_size = 0", "Items asked in a round"]),
        ({"query": {"batchsize": 3}}, ["unknown setting 'batchsize'", "Did you mean 'batch_size'?"]),
        ({"qwery": {}}, ["unknown setting 'qwery'", "Did you mean 'query'?", "Available:"]),
        ({"seed_set": {"draw": "best"}}, ["seed_set.draw = 'best'", "'balanced'"]),
        ({"splits": {"test": 0.6, "validation": 0.5}}, ["splits", "leave a share for the pool"]),
        ({"objective": {"budget_money": 100}}, ["needs cost_per_label"]),
        ({"data": {"text": "review"}}, ["data.text = 'review'", "list"]),
        ({"data": {"checks": {"stars": 5}}}, ["data.checks.stars = 5: ", "list, or: ", "'number'. It means"]),
        ({"learner": {"class_weight": 3}}, ["learner.class_weight = 3: ", "'balanced', or: ", "dictionary. It means"]),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_meaning(values: dict[str, object], words: list[str]) -> None:
    with pytest.raises(SettingError) as error:
        parse(values)
    for word in words:
        assert word in str(error.value)
    assert error.value.exit_status == 2


def test_every_setting_has_a_sentence() -> None:
    for name, section in sections().items():
        for field, info in section.model_fields.items():
            assert info.description, f"{name}.{field}"
            assert info.description.endswith("."), f"{name}.{field}"


@pytest.mark.parametrize("kind", DATA)
def test_the_template_is_valid(kind: str) -> None:
    values = tomllib.loads(TEMPLATE.format(name="x", kind=kind, data=DATA[kind]))
    assert parse(values).data.kind == kind
    jsonschema.validate(values, Settings.model_json_schema())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_whatever_is_written_is_settings_or_a_setting_error(value: object) -> None:
    try:
        parse({"query": value})  # type: ignore[dict-item]
    except SettingError as error:
        assert str(error)


def test_settings_go_through_json() -> None:
    values = json.loads(Settings().model_dump_json())
    assert parse(values) == Settings()
