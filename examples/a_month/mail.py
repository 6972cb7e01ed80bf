"""The mail of the month: what the filter learns from, what comes as ever, and what comes when it has changed."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

USUAL, CHANGED = 200, 1_000


@dataclass(frozen=True)
class Mail:
    id: str
    text: str
    label: str


@dataclass(frozen=True)
class Mails:
    """`first` is there at the start, `usual` is of the same kind, `changed` is not."""

    first: Sequence[Mail]
    usual: Sequence[Mail]
    changed: Sequence[Mail]

    @property
    def truth(self) -> dict[str, str]:
        return {mail.id: mail.label for mails in (self.first, self.usual, self.changed) for mail in mails}


def real(folder: Path) -> Mails:
    """Mail of 2001 and 2002: until the middle of July 2002 most is spam, shuffled; from August on most is from mailing
    lists, in its order."""
    with gzip.open(folder / "drift-spam-mail" / "mail.csv.gz", "rt", encoding="utf-8") as file:
        rows = [
            (r["date"], Mail(f"m{r['id']}", f"{r['subject']}\n{r['text']}", r["label"])) for r in csv.DictReader(file)
        ]
    before = [mail for date, mail in rows if "2001-05" <= date <= "2002-07-17"]
    random.Random(0).shuffle(before)
    after = [mail for date, mail in rows if "2002-08" <= date <= "2002-12-31"]
    return Mails(before[:-USUAL], before[-USUAL:], after[:CHANGED])


def write(file: Path, mails: Sequence[Mail]) -> None:
    """As whoever has the mail hands it over: without its label."""
    with file.open("w", newline="", encoding="utf-8") as rows:
        writer = csv.writer(rows)
        writer.writerow(["id", "text"])
        writer.writerows([mail.id, mail.text] for mail in mails)


GOODS = ("watches", "pills", "loans", "prizes", "degrees", "software")
TALK = ("meeting", "minutes", "agenda", "invoice", "review", "travel")
LISTS = ("patch", "kernel", "thread", "archive", "release", "digest")
NEWS = ("winner", "jackpot", "crypto", "refund", "parcel", "voucher")


def made(n: int = 500) -> Mails:
    """Made-up mail for whoever has no other: short, with words of its class; then with words that meant nothing before,
    and little spam."""
    filler = [*(f"word{number}" for number in range(50)), *LISTS, *NEWS]

    def write(start: int, count: int, spam: Sequence[str], ham: Sequence[str], share: float) -> list[Mail]:
        dice, found = random.Random(start), []
        for number in range(start, start + count):
            label = "spam" if dice.random() < share else "ham"
            words = dice.choices(spam if label == "spam" else ham, k=2)
            words += dice.choices([word for word in filler if word not in {*spam, *ham}], k=5)
            found.append(Mail(f"m{number}", f"{' '.join(words)} {number}", label))
        return found

    return Mails(
        write(0, n, GOODS, TALK, 0.8), write(n, USUAL, GOODS, TALK, 0.8), write(n + USUAL, CHANGED, NEWS, LISTS, 0.3)
    )
