import csv
import gzip
from pathlib import Path

import pytest

from querist.config.data import DataSettings
from querist.core.errors import DataError, SettingError
from querist.stages.raw_data import delimited
from querist.stages.raw_data.delimited import read_csv, read_tsv
from querist.stages.raw_data.rows import BadRow, Row
from querist.stages.raw_data.sources import open_source
from querist.stages.raw_data.textfiles import detect_encoding, open_text

DATA = DataSettings(text=["text"])


def read(tmp_path: Path, content: bytes | str, data: DataSettings = DATA, name: str = "rows.csv") -> list[Row | BadRow]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_source(path, data))


def texts(rows: list[Row | BadRow]) -> list[str]:
    return [row.values["text"] for row in rows if isinstance(row, Row)]


def bad(rows: list[Row | BadRow]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


def test_a_row_carries_the_line_where_it_begins(tmp_path):
    rows = read(tmp_path, 'id,text\n1,"two\nlines"\n\n2,one\n')
    assert rows == [Row(2, {"id": "1", "text": "two\nlines"}), Row(5, {"id": "2", "text": "one"})]


def test_quotes_commas_and_literal_null_texts_stay_as_they_are(tmp_path):
    assert texts(read(tmp_path, 'text,b\n"a ""b"", c",1\nnull,2\nNA,3\n')) == ['a "b", c', "null", "NA"]


def test_a_shifted_row_is_bad_and_names_both_counts(tmp_path):
    rows = read(tmp_path, "id,text\n1,a\n2,b,c\n3\n4,d\n")
    assert texts(rows) == ["a", "d"]
    assert bad(rows) == [(3, "3 fields where the header has 2"), (4, "1 fields where the header has 2")]
    assert isinstance(rows[1], BadRow)
    assert rows[1].raw == "2,b,c\n"


def test_a_quote_that_never_closes_costs_one_line(tmp_path):
    rows = read(tmp_path, 'id,text\n1,a\n2,"b\n3,c\n4,d\n')
    assert texts(rows) == ["a", "c", "d"]
    assert [line for line, _ in bad(rows)] == [3]


def test_a_quote_that_closes_in_another_row_costs_one_line(tmp_path):
    rows = read(tmp_path, 'id,text\n1,"a\n2,"b"\n3,c\n')
    assert texts(rows) == ["b", "c"]
    assert [line for line, _ in bad(rows)] == [2]


def test_a_field_that_grows_too_long_is_bad_and_reading_goes_on(tmp_path, monkeypatch):
    before = csv.field_size_limit(1000)
    monkeypatch.setattr(delimited, "FIELD_CHARACTERS", 1000)
    lines = "".join(f"{i},x{i}\n" for i in range(3000))
    rows = read(tmp_path, f'id,text\n-1,"open\n{lines}')
    csv.field_size_limit(before)
    assert len(texts(rows)) == 3000
    assert bad(rows) == [(2, "quotes do not match (field larger than field limit (1000))")]


def test_a_field_of_a_million_characters_is_read(tmp_path):
    assert len(texts(read(tmp_path, f'id,text\n1,"{"x" * 1_000_000}"\n'))[0]) == 1_000_000


def test_tabs_part_the_fields_of_tsv(tmp_path):
    assert texts(read(tmp_path, "id\ttext\n1\ta,b\n", name="rows.tsv")) == ["a,b"]
    assert list(read_tsv(tmp_path / "rows.tsv", DATA)) == [Row(2, {"id": "1", "text": "a,b"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_files_are_recognised(tmp_path, encoding):
    assert texts(read(tmp_path, "text\nGrüße aus Köln, 東京\n".replace(", ", " ").encode(encoding))) == [
        "Grüße aus Köln 東京"
    ]


def test_latin_1_is_guessed(tmp_path):
    lines = [f"Die Küche Nummer {i} ist schön groß und die Möbel gefällig" for i in range(50)]
    assert texts(read(tmp_path, "\n".join(["text", *lines]).encode("latin-1"))) == lines


@pytest.mark.parametrize(
    ("encodings", "line"),
    [
        (("cp1254", "iso8859-9"), "Şişe kırık geldi, çok üzüldüm: satıcı ilgisiz, ışıklar çalışmıyor"),
        (("cp1250", "iso8859-2"), "Źle wykonane, ale żona jest zachwycona, dziękuję: działa jak należy"),
        (("cp1250", "iso8859-2"), "Příšerně žluťoučký kůň, špatně zpracované, vrátil jsem do obchodu"),
        (("cp1250",), "Őszintén szólva többet vártam tőle, gyenge minőség, későn érkezett"),
        (("cp1251", "koi8-r"), "Не рекомендую, сломался через неделю"),
        (("cp1253", "iso8859-7"), "Δεν το συνιστώ, χάλασε σε μία εβδομάδα"),
        (("cp1255", "iso8859-8"), "מחיר נמוך ולכן אני לא מתלונן"),
        (("cp1256",), "وصلت الشحنة متأخرة لكن الجودة ممتازة"),
        (("shift_jis", "euc_jp"), "配送は遅かったが品質は素晴らしい"),
        (("gb18030", "big5"), "我太太很高興謝謝送貨晚了"),
        (("euc_kr",), "배송은 늦었지만 품질은 훌륭합니다"),
        (("cp1252",), "It’s “naïve” – a café for £5 and a jalapeño, voilà"),
        (("cp1252",), "keep it below 5 °C"),
        (("cp1252",), "À éviter, cassé après une semaine d’été"),
    ],
)
def test_the_letters_of_a_language_tell_its_encoding(tmp_path, encodings, line):
    for encoding in encodings:
        assert set(texts(read(tmp_path, f'text\n"{line}"\n"{line}"\n'.encode(encoding)))) == {line}, encoding


def test_an_encoding_can_be_set(tmp_path):
    data = DataSettings(text=["text"], encoding="cp1251")
    assert texts(read(tmp_path, "text\nпривет\n".encode("cp1251"), data)) == ["привет"]


def test_an_unknown_encoding_is_a_setting_error(tmp_path):
    with pytest.raises(SettingError, match="utf-9"):
        read(tmp_path, "text\na\n", DataSettings(text=["text"], encoding="utf-9"))


def test_bytes_that_do_not_decode_make_just_their_row_bad(tmp_path):
    good = "".join(f"größer {i}\n" for i in range(50)).encode()
    rows = read(tmp_path, b"text\n" + good + b"b\xe4d\n" + good)
    assert len(texts(rows)) == 100
    assert bad(rows) == [(52, "bytes that do not decode")]


def test_a_nul_character_is_text(tmp_path):
    assert texts(read(tmp_path, "text\na\0b\n")) == ["a\0b"]


def test_a_gzipped_file_is_read_like_a_plain_one(tmp_path):
    assert texts(read(tmp_path, gzip.compress("text\ngrün\n".encode()), name="rows.csv.gz")) == ["grün"]


def test_a_truncated_gzip_is_one_clear_error(tmp_path):
    whole = gzip.compress("".join(["text\n", *(f"row {i * i}\n" for i in range(5000))]).encode())
    with pytest.raises(DataError, match=r"rows\.csv\.gz cannot be read"):
        read(tmp_path, whole[:-200], name="rows.csv.gz")


def test_an_empty_file_has_no_header(tmp_path):
    with pytest.raises(DataError, match="no readable header line, it is empty"):
        read(tmp_path, "")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv does not exist"):
        open_source(tmp_path / "gone.csv", DATA)


def test_a_missing_column_is_named_with_those_available(tmp_path):
    with pytest.raises(SettingError, match=r"no column 'text'. Available: id, body"):
        read(tmp_path, "id,body\n1,a\n")


def test_a_column_that_occurs_twice_is_refused(tmp_path):
    with pytest.raises(SettingError, match="2 columns named 'text'"):
        read(tmp_path, "text,text\n1,a\n")


def test_an_unknown_format_lists_those_available(tmp_path):
    with pytest.raises(SettingError, match=r"unknown reader 'xml'.*csv.*parquet"):
        read(tmp_path, "text\na\n", DataSettings(text=["text"], format="xml"))
    with pytest.raises(SettingError, match=r"rows\.txt does not tell its format"):
        read(tmp_path, "text\na\n", name="rows.txt")


def test_reading_starts_only_when_asked(tmp_path):
    (tmp_path / "rows.csv").write_text("text\na\n")
    assert iter(rows := read_csv(tmp_path / "rows.csv", DATA)) is rows


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "O produto é ótimo, chegou antes do prazo.\nNão gostei, a bateria não dura.\nRecomendação: sim.\n"),
        ("cp1252", "Mycket bra, jag är jättenöjd.\nDåligt batteri, räcker inte hela dagen.\nFrån företaget.\n"),
        ("cp1252", "Le téléphone est arrivé très vite.\nJe suis déçu.\nÇa marche bien, même après l'été.\n"),
        ("cp1252", "She said “great” – really.\nIt’s good and I don’t regret it.\n"),
        ("cp1252", "a café\n"),
        ("cp1250", "Niestety bateria słaba, nie działa już.\nŚwietna jakość, szybka wysyłka. Dziękuję.\n"),
        ("cp1250", "Výrobek je skvělý, doporučuji všem.\nRychlé dodání, dobrá cena. Příště koupím znovu.\n"),
        ("cp1250", "A termék nagyon jó, gyors szállítás.\nKöszönöm szépen, jövőre is veszek. Először nem működött.\n"),
        ("cp1251", "Очень хороший товар, рекомендую всем.\nК сожалению, батарея слабая.\n"),
    ],
)
def test_western_text_is_read_as_western_and_other_text_as_its_own(tmp_path, encoding, text):
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode(encoding))
    with open_text(path) as file:
        assert file.read() == text


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"3,bad\0\0\0\0\0\0\n" * 99])
def test_a_file_that_is_padded_with_zeros_is_no_utf_16(tmp_path, tail):
    file = tmp_path / "padded.csv"
    file.write_bytes(b"id,text\n1,good film\n2,bad film\n" + tail)
    assert detect_encoding(file) == "utf-8"
