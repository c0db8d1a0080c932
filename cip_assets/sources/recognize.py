"""Finds out what the columns of an export mean: by their names, and by what they contain."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Literal, cast, get_args

import yaml

from cip_assets.sources.config import DateOrder, FieldName, Kind, KindName, Layout

State = Literal["proved", "chosen", "asked", "unknown"]
"""How sure a finding is. Proved by the contents; chosen by the name, and the contents fit; asked, because the contents
allow another answer; unknown, because there is no such column."""

NAMES: Mapping[FieldName, str] = {
    "order_id": "orderid ordernumber orderno order invoiceno invoicenumber invoiceid invoice receiptno receiptid "
    "receipt bestellnummer bestellnr auftragsnummer auftragsnr rechnungsnummer incrementid amazonorderid saleid "
    "transactionid id name",
    "customer_id": "customeremail buyeremail billingemail email emailaddress customerid customerno customernumber "
    "kundennummer kundennr customer buyerid buyer clientid userid",
    "product_id": "stockcode sku productid productcode itemsku itemid asin articleno artikelnummer artikelnr "
    "lineitemsku product item artikel article",
    "product_name": "description productname itemname title lineitemname product item artikel article",
    "category": "category productcategory kategorie",
    "quantity": "quantity qty lineitemquantity itemquantity menge anzahl units qtyordered",
    "unit_price": "unitprice price itemprice lineitemprice einzelpreis preis",
    "line_total": "linetotal lineamount itemtotal rowtotal total amount gesamtpreis gesamt betrag totalprice value",
    "discount": "discount linediscount itemdiscount rabattbetrag",
    "refunded": "itemrefunded linerefunded refundedamount amountrefunded",
    "date": "orderdate orderedat ordereddate bestelldatum purchasedate invoicedate createdat date datum day "
    "transactiondate",
    "payment_method": "paymentmethod payment zahlungsart",
}
"""The names of each field's columns, the best first, in lower case, without blanks and signs; ``#`` counts as no."""

NEEDED: Sequence[FieldName] = ("order_id", "date")
STATUS = ["status", "orderstatus", "financialstatus", "state", "zustand", "bemerkung", "remark"]
STATUS_WORDS: Sequence[tuple[str, KindName]] = (
    (r"cancel|storn|annul|void", "cancelled"),
    (r"pending|on.?hold|await|unpaid|offen", "awaiting_payment"),
    (r"fail|declin|error", "failed"),
    (r"^test", "test"),
)
TOTAL_WORDS = re.compile(r"(grand )?(total|sum)|gesamt(summe)?|summe", re.IGNORECASE)
NO_GOODS: Sequence[tuple[str, KindName]] = (
    (r"^(discount|rabatt|coupon|voucher|gutschein)$", "discount"),
    (r"^(shipping|postage|versand(kosten)?|porto|delivery)$", "shipping"),
)
DATE_PARTS = {
    "ymd": re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"),
    "mdy": re.compile(r"(?P<m>\d{1,2})[-/.](?P<d>\d{1,2})[-/.](?P<y>\d{4})"),
    "dmy": re.compile(r"(?P<d>\d{1,2})[-/.](?P<m>\d{1,2})[-/.](?P<y>\d{4})"),
}
MOST = 0.75
"""The share of the values that must fit: some may be broken."""

NEARLY_ALL = 0.8
"""The share of the records that must have a text in a needed column."""

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Finding:
    """What was found for a field: the columns, how sure that is, why, some values, and what else it could be."""

    field: str
    columns: tuple[str, ...]
    state: State
    why: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A layout for the files with one header. ``stops`` are questions that only a person can answer."""

    layout: Layout
    findings: Sequence[Finding]
    stops: Sequence[str] = field(default=())


@cache
def presets() -> Mapping[str, Layout]:
    """The known exports, by name."""
    folder = resources.files("cip_assets.sources") / "presets"
    return {
        file.name.removesuffix(".yaml"): Layout.model_validate(
            yaml.safe_load(file.read_text(encoding="utf-8"))
        )
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".yaml")
    }


def propose(header: Sequence[str], rows: Rows, date_order: DateOrder | None = None) -> Proposal | None:
    """A layout for files with this header; None if they hold no order lines.

    Args:
        header: the names of the columns.
        rows: the first records of the files, by column. Absent and blank values are left out.
        date_order: the answer of a person, if the dates allow several.

    """
    for name, layout in presets().items():
        if set(layout.header) == set(header):
            return _known(name, layout, header, rows, date_order)
    columns = {name: _column_for(name, header, rows) for name in get_args(FieldName)}
    if any(columns[name] is None for name in NEEDED) or not (columns["unit_price"] or columns["line_total"]):
        return None
    chosen = {name: column for name, column in columns.items() if column}
    decimal = _decimal(
        [
            row[c]
            for c in (chosen.get("unit_price"), chosen.get("line_total"))
            if c
            for row in rows
            if c in row
        ]
    )
    findings, stops = [], []
    amounts = _amounts(chosen, rows, decimal)
    findings += amounts
    chosen = {name: column for name, column in chosen.items() if name not in {"unit_price", "line_total"}}
    chosen |= {finding.field: finding.columns[0] for finding in amounts}
    stops += _unsupported(chosen, header, rows)
    order, found = _date_order(chosen["date"], rows, date_order)
    findings.append(found)
    if order is None:
        stops.append(f"{chosen['date']}: {found.why}; say which with --date-order dmy or --date-order mdy")
    for name in get_args(FieldName):
        if name not in {finding.field for finding in findings}:
            findings.append(_finding(name, chosen.get(name), rows))
    kinds, of_kinds = _kinds(chosen, header, rows)
    fields: dict[str, tuple[str, ...]] = {name: (column,) for name, column in chosen.items()}
    if people := _people(header, rows):
        fields["customer_id"] = people
    layout = Layout.model_validate(
        {
            "header": tuple(header),
            "fields": fields,
            "date_order": order or "ymd",
            "decimal": decimal,
            "kinds": kinds,
        }
    )
    return Proposal(layout, (*findings, *of_kinds), tuple(stops))


def _people(header: Sequence[str], rows: Rows) -> tuple[str, ...]:
    """The columns that identify the buyer: an email address, which people without an account have too, then an id."""
    found = _columns_for("customer_id", header, rows)
    emails = [column for column in found if any("@" in row[column] for row in rows if column in row)]
    return (*emails[:1], *[column for column in found if column not in emails][:1])


def _unsupported(chosen: Mapping[str, str], header: Sequence[str], rows: Rows) -> list[str]:
    """What would give wrong numbers if it was read record by record."""
    found = []
    nested = sorted({column for column in header for row in rows if row.get(column, "").startswith("[{")})
    if nested:
        found.append(
            f"{nested[0]} holds lists of records, such as the lines of an order; export one record per line"
        )
    if several := _currencies(chosen, header, rows):
        found.append(
            f"the amounts are in several currencies ({', '.join(several)}), and there are no rates; export one currency"
        )
    if once := _on_first_line_only(chosen["order_id"], header, rows):
        found.append(
            f"{', '.join(once[:3])} stand only on the first record of an order, so they cannot be read record by "
            "record; export one record per line with all columns"
        )
    return found


def _currencies(chosen: Mapping[str, str], header: Sequence[str], rows: Rows) -> list[str]:
    """The currencies of the amounts, if there are several: by a column, or by the signs of the amounts."""
    named = [
        column
        for column in header
        if plain(column) in {"currency", "ordercurrency", "currencycode", "waehrung"}
    ]
    codes = {row[column].upper() for column in named for row in rows if column in row}
    priced = [chosen[name] for name in ("unit_price", "line_total") if name in chosen]
    signs = {sign for column in priced for row in rows for sign in "€$£¥" if sign in row.get(column, "")}
    return sorted(codes) if len(codes) > 1 else sorted(signs) if len(signs) > 1 else []


def _on_first_line_only(order: str, header: Sequence[str], rows: Rows) -> list[str]:
    """The columns that have a text only on the first record of the orders with several records."""
    orders: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if order in row:
            orders[row[order]].append(row)
    long = [found for found in orders.values() if len(found) > 1]
    return [
        column
        for column in header
        if sum(column in first for first, *_ in long) > len(long) / 2
        and not any(column in row for _, *others in long for row in others)
    ]


def _known(
    name: str, preset: Layout, header: Sequence[str], rows: Rows, answer: DateOrder | None
) -> Proposal:
    (date_column,) = preset.fields["date"]
    order, found = _date_order(date_column, rows, answer)
    priced = [column for key in ("unit_price", "line_total") for column in preset.fields.get(key, ())]
    decimal = _decimal([row[column] for column in priced for row in rows if column in row])
    layout = preset.model_copy(
        update={"header": tuple(header), "date_order": order or preset.date_order, "decimal": decimal}
    )
    findings = [
        Finding(key, columns, "proved", f"the export is {name}", _examples(columns[0], rows))
        for key, columns in preset.fields.items()
        if key != "date"
    ]
    stops = (
        [] if order else [f"{date_column}: {found.why}; say which with --date-order dmy or --date-order mdy"]
    )
    return Proposal(layout, (found, *findings), tuple(stops))


def plain(name: str) -> str:
    """A column's name for comparing: lower case, letters and digits only; ``#`` counts as no."""
    return re.sub(r"[\W_]", "", name.replace("#", "no").lower())


def _column_for(name: FieldName, header: Sequence[str], rows: Rows) -> str | None:
    """The column with the best name whose contents fit."""
    return next(iter(_columns_for(name, header, rows)), None)


def _columns_for(name: FieldName, header: Sequence[str], rows: Rows) -> list[str]:
    """The columns whose names and contents fit, the best name first."""
    test = _FITS.get(name)

    def fits(column: str) -> bool:
        values = [row[column] for row in rows if column in row]
        enough = len(values) >= NEARLY_ALL * len(rows) if name in NEEDED else bool(values)
        return not rows or (enough and (test is None or _share(values, test) >= MOST))

    words = NAMES[name].split()
    named = [column for column in header if plain(column) in words and fits(column)]
    return sorted(named, key=lambda column: words.index(plain(column)))


def _share(values: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, values)) / len(values) if values else 0.0


def _is_date(text: str) -> bool:
    return any(_day(text, order) for order in ("ymd", "mdy", "dmy"))


def _is_number(text: str) -> bool:
    return number(text, ".") is not None or number(text, ",") is not None


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


_FITS: Mapping[str, Callable[[str], bool]] = {
    "order_id": _has_digit,
    "date": _is_date,
    "quantity": _is_number,
    "unit_price": _has_digit,
    "line_total": _has_digit,
    "discount": _is_number,
    "refunded": _is_number,
}
"""What most values of a column must be."""


def _examples(column: str, rows: Rows) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row[column] for row in rows if column in row))[:3]


def _finding(name: str, column: str | None, rows: Rows) -> Finding:
    if column is None:
        return Finding(name, (), "unknown", "no column has such a name")
    return Finding(name, (column,), "chosen", "by its name", _examples(column, rows))


# --- numbers --------------------------------------------------------------------------------------------------


def number(text: str, decimal: str) -> Decimal | None:
    """A number as shops write it: with a currency, a minus at either end, or a sign between thousands."""
    bare = re.sub(r"[\s'€$£¥\u00a0\u202f]|^[A-Za-z]{3}|[A-Za-z]{3}$", "", text)
    if bare.endswith("-"):
        bare = f"-{bare[:-1]}"
    bare = bare.replace(".", "").replace(",", ".") if decimal == "," else bare.replace(",", "")
    try:
        return Decimal(bare) if re.fullmatch(r"[+-]?(\d+[.]?\d*|[.]\d+)", bare) else None
    except InvalidOperation:
        return None


def _decimal(values: Sequence[str]) -> Literal[".", ","]:
    """The decimal sign that most amounts end with."""
    ends = Counter(found[1] for value in values if (found := re.search(r"([.,])\d{1,2}(?!\d)\D*$", value)))
    return "," if ends[","] > ends["."] else "."


def _amounts(chosen: Mapping[str, str], rows: Rows, decimal: str) -> list[Finding]:
    """Whether the amounts are those of units or of lines. The arithmetic of the export decides, where it can."""
    price, total, quantity = (chosen.get(name) for name in ("unit_price", "line_total", "quantity"))
    examples = {column: _examples(column, rows) for column in (price, total) if column}

    def values(row: Mapping[str, str], *columns: str | None) -> list[Decimal | None]:
        return [number(row.get(column or "", ""), decimal) for column in columns]

    if price and total and quantity:
        full = [v for row in rows if None not in (v := values(row, price, total, quantity))]
        agree = sum(abs(p * q - t) < Decimal("0.01") for p, t, q in full if None not in (p, t, q))  # type: ignore[operator]
        why = f"quantity times {price} is {total} in {agree} of {len(full)} records"
        if agree < MOST * len(full):
            return [
                Finding("unit_price", (price,), "asked", f"{why}, so {total} is not used", examples[price])
            ]
        return [Finding("line_total", (total,), "proved" if full else "chosen", why, examples[total])]
    column = cast(str, total or price)
    name = "line_total" if total else "unit_price"
    if quantity:
        per_product: dict[str, list[tuple[Decimal, Decimal]]] = defaultdict(list)
        for row in rows:
            amount, count = values(row, column, quantity)
            if amount and count and count > 0:
                per_product[row.get(chosen.get("product_id", ""), "")].append((amount, count))
        pairs = [
            (a, b)
            for found in per_product.values()
            for a, b in pairwise(sorted(found, key=lambda v: v[1]))
            if a[1] != b[1]
        ]
        as_total = sum(a[0] * b[1] == b[0] * a[1] for a, b in pairs)
        as_price = sum(a[0] == b[0] for a, b in pairs)
        if pairs and max(as_total, as_price) >= MOST * len(pairs):
            is_total = as_total >= as_price
            why = (
                f"of a product, {'twice the quantity costs twice' if is_total else 'any quantity costs the same'} "
                f"({max(as_total, as_price)} of {len(pairs)} pairs of records)"
            )
            return [
                Finding(
                    "line_total" if is_total else "unit_price", (column,), "proved", why, examples[column]
                )
            ]
    why = "taken as the amount of the line, not of one unit" if total else "taken as the price of one unit"
    return [
        Finding(name, (column,), "asked" if quantity else "chosen", f"{why}, by its name", examples[column])
    ]


# --- dates ----------------------------------------------------------------------------------------------------


def _day(text: str, order: str) -> date | None:
    found = DATE_PARTS[order].match(text)
    if not found:
        return None
    try:
        return date(int(found["y"]), int(found["m"]), int(found["d"]))
    except ValueError:
        return None


def _date_order(column: str, rows: Rows, answer: DateOrder | None) -> tuple[DateOrder | None, Finding]:
    """The order of day and month, if the values allow only one."""
    values = [row[column] for row in rows if column in row]
    fit = {name: sum(_day(text, name) is not None for text in values) for name in DATE_PARTS}
    best = max(fit.values(), default=0)
    orders = [name for name in get_args(DateOrder) if fit[name] == best]
    examples = _examples(column, rows)
    if answer and answer in orders:
        return answer, Finding("date", (column,), "chosen", f"{answer}, as you said", examples)
    if len(orders) == 1:
        return orders[0], Finding("date", (column,), "proved", f"only {orders[0]} fits", examples)
    return None, Finding("date", (column,), "asked", f"{' and '.join(orders)} fit every date", examples)


# --- kinds of records -----------------------------------------------------------------------------------------


def _kinds(chosen: Mapping[str, str], header: Sequence[str], rows: Rows) -> tuple[list[Kind], list[Finding]]:
    """Rules for what is no sale: total lines, the status of the order, and lines without goods."""
    totals = {value for value in _values(chosen["order_id"], rows) if TOTAL_WORDS.fullmatch(value)}
    kinds = [_kind("summary", f"order_id = {_text(value)}") for value in sorted(totals)]
    unnamed = [row for row in rows if chosen["order_id"] not in row]
    for column, value in sorted(
        {(c, v) for row in unnamed for c, v in row.items() if TOTAL_WORDS.fullmatch(v)}
    ):
        kinds.append(_kind("summary", f"order_id IS NULL AND record[{_text(column)}] = {_text(value)}"))
    findings: list[Finding] = []
    looked = [(column, STATUS_WORDS) for column in header if plain(column) in STATUS]
    if product := chosen.get("product_id") or chosen.get("product_name"):
        looked.append((product, NO_GOODS))
    for column, words in looked:
        for value in sorted(_values(column, rows)):
            kind = next((kind for pattern, kind in words if re.search(pattern, value, re.IGNORECASE)), None)
            if kind:
                kinds.append(_kind(kind, f"record[{_text(column)}] = {_text(value)}"))
                why = f"{value!r} is taken as {kind}: not counted"
                findings.append(Finding("kind", (column,), "asked", why, (value,)))
    return kinds, findings


def _values(column: str, rows: Rows) -> set[str]:
    return {row[column] for row in rows if column in row}


def _kind(kind: KindName, when: str) -> Kind:
    return Kind.model_validate({"is": kind, "when": when})


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
