import json

from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalog import columns as columns_module
from service.catalog.columns import Columns
from service.catalog.where import matches, parse_where

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 10**400]),
    st.sampled_from(["", "a", "b", "1", "true"]),
)
values = st.one_of(
    scalars, st.lists(scalars, max_size=3), st.fixed_dictionaries({}, optional={"c": scalars})
)
metadata = st.fixed_dictionaries({}, optional=dict.fromkeys(["a", "b", "a.c"], values))
fields = st.sampled_from(["a", "b", "a.c", "b.c", "b.c.d"])
ordered = st.one_of(st.integers(-2, 2), st.just(1.5), st.sampled_from(["", "a", "1"]))
operators = st.one_of(
    st.fixed_dictionaries({}, optional={"eq": scalars, "ne": scalars}),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("lt", "lte", "gt", "gte"), ordered)),
    st.fixed_dictionaries({"in": st.lists(scalars, max_size=3)}),
    st.fixed_dictionaries({"nin": st.lists(scalars, max_size=3)}),
    st.fixed_dictionaries({"exists": st.booleans()}),
).filter(len)
plain = st.dictionaries(fields, st.one_of(scalars, operators), max_size=3)
filters = st.recursive(
    plain,
    lambda inner: st.dictionaries(
        st.sampled_from(["any", "all", "none"]), st.lists(inner, max_size=3), max_size=2
    ),
    max_leaves=6,
)
steps = st.one_of(
    st.tuples(st.just("change"), st.integers(0, 9), metadata),
    st.tuples(st.just("add"), st.just(0), metadata),
    st.tuples(st.just("ask"), st.just(0), filters),
)


@given(st.lists(metadata, max_size=8), st.lists(steps, min_size=1, max_size=20), filters)
@settings(max_examples=300, deadline=None)
def test_columns_agree_with_matches_through_every_change(first, changes, last):
    truth = list(first)
    texts = [json.dumps(one) for one in truth]
    columns = Columns(texts)
    for step, slot, value in [*changes, ("ask", 0, last)]:
        if step == "ask":
            where = parse_where(value)
            assert columns.mask(where).tolist() == [matches(one, where) for one in truth]
        elif step == "add":
            truth.append(value)
            texts.append(json.dumps(value))
            columns.put([len(truth) - 1])
        elif slot < len(truth):
            truth[slot] = value
            texts[slot] = json.dumps(value)
            columns.put([slot])


@given(
    st.lists(metadata, min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 9), metadata), max_size=6),
    filters,
)
@settings(max_examples=200, deadline=None)
def test_changes_while_columns_are_built_are_not_missed(first, changes, asked):
    truth = list(first)
    texts = [json.dumps(one) for one in truth]
    columns, where = Columns(texts), parse_where(asked)

    def install(fresh):
        for slot, value in changes:
            if slot < len(truth):
                truth[slot], texts[slot] = value, json.dumps(value)
                columns.put([slot])
            else:
                truth.append(value)
                texts.append(json.dumps(value))
                columns.put([len(truth) - 1])
        columns.install(fresh)

    columns.build(where, install)
    assert columns.mask(where).tolist() == [matches(one, where) for one in truth]


def test_more_fields_than_columns_kept_still_answer(monkeypatch):
    monkeypatch.setattr(columns_module, "MAX_COLUMNS", 2)
    columns = Columns([json.dumps({f"f{i}": i for i in range(6)})])
    for _ in range(2):
        for i in range(6):
            assert columns.mask(parse_where({f"f{i}": i})).tolist() == [True]
    for i in range(6):
        both = parse_where({"f0": 0, f"f{i}": i})
        columns.build(both, columns.install)
        assert columns.mask(both).tolist() == [True]
    wide = parse_where({f"f{i}": i for i in range(6)})
    assert columns.mask(wide).tolist() == [True]


def test_column_whose_values_keep_changing_does_not_grow_without_bound():
    texts = ['{"price": 0}']
    columns = Columns(texts)
    where = parse_where({"price": {"gte": 4000}})
    for price in range(5000):
        texts[0] = json.dumps({"price": price})
        columns.put([0])
        assert columns.mask(where).tolist() == [price >= 4000]
        assert columns.distinct_values("price") < 1500
