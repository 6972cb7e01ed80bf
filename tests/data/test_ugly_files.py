"""Whatever bytes a file holds: rows, bad rows, or one error on purpose."""

import codecs

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from querist.config.data import DataSettings
from querist.core.errors import QueristError
from querist.stages.raw_data.rows import BadRow, Row
from querist.stages.raw_data.sources import open_source

DATA = DataSettings(text=["text"])
pieces = st.sampled_from(
    [b'"', b",", b"\n", b"\r", b"\r\n", b"a", b"\xff", b"\xc3\xa4", b"\0", b"\t", b"{", b'{"text":"a"}\n']
)
contents = st.lists(pieces, max_size=60).map(b"".join) | st.binary(max_size=200)


@pytest.mark.parametrize(
    "name", ["rows.csv", "rows.tsv", "rows.jsonl", "rows.parquet", "rows.npz", "rows.csv.gz", "a.zip"]
)
@given(content=contents, head=st.sampled_from([b"", b"id,text\n", b"text\n", codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE]))
@example(content="text\nü\n".encode("utf-16-le") + b"\x0a", head=codecs.BOM_UTF16_LE)
@example(content=b"", head=b"text\n")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_rows_or_a_clear_error(tmp_path, name, content, head):
    path = tmp_path / name
    path.write_bytes(head + content)
    data = DataSettings(kind="image") if name == "a.zip" else DATA
    try:
        rows = list(open_source(path, data))
    except QueristError as error:
        assert len(str(error)) > 20
        return
    assert all(isinstance(row, Row | BadRow) for row in rows)
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
