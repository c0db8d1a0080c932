"""Finds out what the columns of an export mean: by their names, and by what they contain."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from typing import Literal, cast, get_args

from cip_assets.sources.arithmetic import by_order, is_of_order, prove
from cip_assets.sources.config import NEEDED_FIELDS, NOBODY, DateOrder, FieldName, Layout
from cip_assets.sources.findings import Chosen, Finding, Rows, State, is_date, plain
from cip_assets.sources.kinds import kinds_of
from cip_assets.sources.prepare import prepare
from cip_assets.sources.presets import PresetLayout, layout_for
from cip_assets.sources.sessions import PAUSE
from cip_assets.sources.values import NUMBERED, day, number

ALL = "all"
"""What a finding is about that holds for all fields."""

QUESTION = "question"
"""What a finding is about that only the shop can answer."""

NAMES: Mapping[FieldName, str] = {
    "order_id": "orderid ordernumber orderno order invoiceno invoicenumber invoiceid invoice receiptno "
    "receiptid receipt bestellnummer bestellnr auftragsnummer auftragsnr rechnungsnummer rechnungsnr "
    "belegnummer belegnr incrementid amazonorderid saleid documentno documentnumber ordername ncommande "
    "nocommande numérodecommande commande numeroordine ordine pedido númerodepedido nºpedido bestelnummer "
    "ordernummer factuurnummer transactionid id name",
    "customer_id": "customeremail buyeremail billingemail email emailaddress mail emailrechnung customerid "
    "customerno customernumber kundennummer kundennr customer kunde buyerid buyer clientid userid client "
    "cliente klant klantnummer",
    "product_id": "stockcode sku productid productcode itemsku itemid asin articleno artikelnummer artikelnr "
    "lineitemsku referencia référence reference codice codicearticolo product item artikel article articolo "
    "artículo articulo produit producto prodotto",
    "product_name": "description productname itemname title producttitle lineitemname artikelname bezeichnung "
    "désignation descripción descrizione omschrijving product item artikel article articolo artículo articulo "
    "produit producto prodotto",
    "category": "category productcategory kategorie",
    "quantity": "quantity qty lineitemquantity itemquantity menge anzahl units qtyordered quantité qté "
    "cantidad quantità quantita aantal netitemssold itemssold",
    "unit_price": "unitprice price itemprice lineitemprice einzelpreis stückpreis preis artikelpreis "
    "prixunitaire prix precio preciounitario prezzo prezzounitario prijs stukprijs",
    "line_total": "linetotal lineamount itemtotal rowtotal netsales netamount nettobetrag netto total amount "
    "sales gesamtpreis gesamt betrag totalprice value umsatz revenue montant importe totale totaal bedrag "
    "gesamtsumme grosssales",
    "discount": "discount linediscount itemdiscount rabattbetrag discountpercent discountpercentage discountpct "
    "percentdiscount rabattprozent rabatt",
    "refunded": "itemrefunded linerefunded refundedamount amountrefunded",
    "date": "orderdate orderedat ordereddate bestelldatum purchasedate invoicedate createdat date datum day "
    "transactiondate rechnungsdatum kaufdatum belegdatum datedecommande datecommande fecha data datadordine "
    "besteldatum created",
    "payment_method": "paymentmethod payment zahlungsart",
    "currency": "currency currencycode ordercurrency paidcurrency waehrung währung",
    "updated_at": "updatedat lastupdateddate lastupdated updated modifiedat datemodified lastmodified",
}
"""The names of each field's columns, the best first, in lower case, without blanks and signs; ``#`` counts as no."""

ORDER_NAMES: Mapping[FieldName, str] = {
    "charged": "ordertotal grandtotal totalpaid amountpaid paid totalcharged charged paymenttotal total "
    "totalprice totalamount gesamtbetrag gesamtsumme bestellsumme gesamt grossamount bruttobetrag brutto "
    "totalsales",
    "subtotal": "subtotal ordersubtotal subtotalprice goodstotal goods merchandise itemstotal warenwert "
    "zwischensumme",
    "shipping": "shipping shippingcost shippingtotal shippingamount shippingprice ordershipping shippingfee "
    "postage delivery deliverycost deliveryprice freight versand versandkosten versandpreis porto fraisdeport "
    "livraison",
    "tax": "tax taxes taxtotal totaltax taxamount ordertax salestax vat vatamount mwst ust mehrwertsteuer tva "
    "iva btw",
    "order_discount": "discounttotal totaldiscount totaldiscounts orderdiscount cartdiscount couponamount "
    "coupondiscount coupon voucher discountamount discount rabatt gutschein remise",
    "order_refunded": "refundedtotal totalrefunded orderrefunded refundtotal refundedamount amountrefunded "
    "refundamount refunded refund refundsamount erstattet erstattung",
}
"""The names of the columns with amounts of an order."""

SESSION_NAMES: Mapping[FieldName, str] = {
    "session_id": "sessionid session visitid visit gasessionid sessionkey sid",
    "activity": "activitytype activity eventname event eventtype action eventaction pagetype page pagepath path "
    "pageurl pagelocation url screenname screen",
}
"""The names of the columns with sessions of the website and their events."""

VISITOR_NAMES = "userid useremail user memberid accountid visitoremail"
TIME_NAMES = (
    "timestamp eventtimestamp eventtime time occurredat startedat starttime sessionstart visitstart visittime "
    "visitedat datetime createdat created date eventdate day"
)
TICKET = re.compile(r"ticket|subject")
"""Names of columns that say that the records are support tickets."""

ITEM = "item."
"""How the columns of an order's lines begin, if they are in lists."""

ITEM_NAMES: Mapping[FieldName, str] = {
    "product_id": "sku productid variantid id",
    "product_name": "name title",
    "unit_price": "price unitprice",
    "line_total": "total amount subtotal",
    "discount": "discount discountamount totaldiscount",
}
LINE_FIELDS: Sequence[FieldName] = (
    "product_id",
    "product_name",
    "category",
    "quantity",
    "unit_price",
    "line_total",
    "discount",
    "refunded",
)
NEEDED = NEEDED_FIELDS["orders"]
AMOUNTS: Sequence[FieldName] = ("unit_price", "line_total")
MOST = 0.75
"""The share of the values that must fit: some may be broken."""

NEARLY_ALL = 0.8
"""The share of the records that must have a text in a needed column."""


@dataclass(frozen=True)
class Proposal:
    """A layout for the files with one header. ``stops`` are questions that only a person can answer."""

    layout: Layout
    findings: Sequence[Finding]
    stops: Sequence[str] = field(default=())


def propose(
    header: Sequence[str], rows: Rows, date_order: DateOrder | None = None, records: str = "records"
) -> Proposal | None:
    """A layout for files with this header; None if they hold no order lines.

    Args:
        header: the names of the columns.
        rows: the first records of the files, by column. Absent and blank values are left out.
        date_order: the answer of a person, if the dates allow several.
        records: the name of the records in SQL.

    """
    prepared = prepare(records, header, rows, column_for("order_id", header, rows))
    read, rows = prepared.header, prepared.rows
    chosen: Chosen = {name: column for name in NAMES if (column := column_for(name, read, rows))}
    if "date" not in chosen and (dated := _dates(read, rows)):
        chosen["date"] = dated[0]
    if any(name not in chosen for name in NEEDED) or not set(AMOUNTS) & set(chosen):
        return None
    priced = [row[chosen[name]] for name in AMOUNTS if name in chosen for row in rows if chosen[name] in row]
    decimal = _decimal(priced)
    findings, stops = [_of_decimal(priced, decimal)], []
    proof = prove(_version_keys(chosen), lambda name: _columns_for(name, read, rows), rows, decimal)
    if proof:
        chosen = {name: column for name, column in chosen.items() if name not in {*AMOUNTS, "discount"}}
        chosen |= proof.fields
        findings += [
            Finding(name, (column,), "proved", proof.why, _examples(column, rows))
            for name, column in proof.fields.items()
        ]
    else:
        amounts = _amounts(chosen, rows, decimal)
        findings += [*amounts, *_discounts(chosen, amounts[0].field, rows, decimal)]
        chosen = {name: column for name, column in chosen.items() if name not in AMOUNTS}
        chosen |= {cast(FieldName, finding.field): finding.columns[0] for finding in amounts}
        if any(finding.field == "discount_percent" for finding in findings):
            chosen["discount_percent"] = chosen.pop("discount")
        elif any(finding.field == "discount" and not finding.columns for finding in findings):
            del chosen["discount"]
        stops += _unsupported(chosen, rows)
    chosen = _refunds(chosen, read, rows)
    order, found = _date_order(chosen["date"], rows, date_order)
    findings.append(found)
    if order is None:
        stops.append(_which_order(found))
    kinds, of_kinds = kinds_of(chosen, read, rows)
    fields: dict[FieldName, tuple[str, ...]] = {name: (column,) for name, column in chosen.items()}
    if people := _people(read, rows):
        fields["customer_id"] = people
    for name in (*NAMES, *ORDER_NAMES):
        if name not in {finding.field for finding in findings}:
            findings.append(_finding(name, fields.get(name, ()), rows))
    layout = Layout.model_validate(
        {
            "name": records,
            "header": tuple(header),
            "records": prepared.query,
            "fields": fields,
            "date_order": order or "ymd",
            "decimal": decimal,
            "kinds": kinds,
        }
    )
    used = {column for columns in fields.values() for column in columns}
    checked = [_with_others(finding, used, read, rows) for finding in findings]
    asked = {column for finding in of_kinds for column in finding.columns}
    checked += [_of_refunds(column, rows) for column in _about_refunds(set(read) - used - asked, rows)]
    return Proposal(layout, (*checked, *of_kinds), tuple(stops))


def missing(header: Sequence[str], rows: Rows) -> str:
    """What a file without order lines lacks, in words."""
    if not _visitors(header, rows) and any(column_for(name, header, rows) for name in SESSION_NAMES):
        return "if its records are visits to the website, no column says of which customer"
    lacks = [
        what
        for what, names in NEEDED_FOR.items()
        if not any(column_for(name, header, rows) for name in names)
        and not ("date" in names and _dates(header, rows))
    ]
    return f"no column is {' and none '.join(lacks)}" if lacks else "its records are no lines of orders"


NEEDED_FOR: Mapping[str, Sequence[FieldName]] = {
    "an order id": ("order_id",),
    "a day": ("date",),
    "a price or an amount": AMOUNTS,
}


def _with_others(finding: Finding, used: Collection[str], header: Sequence[str], rows: Rows) -> Finding:
    """A finding that is asked if another column, with other contents, has such a name too."""
    if finding.field not in NAMES or not finding.columns or finding.field in AMOUNTS:
        return finding
    first = finding.columns[0]
    others = [
        column
        for column in _columns_for(cast(FieldName, finding.field), header, rows)
        if column not in used and any(row.get(column) != row.get(first) for row in rows)
    ]
    if not others:
        return finding
    return replace(finding, state="asked", why=f"{finding.why}; {others[0]} could be it too")


def _people(header: Sequence[str], rows: Rows) -> tuple[str, ...]:
    """The columns that identify the buyer: an email address, which people without an account have too, then an id.

    If each id has one email address and each address one id, the id comes first, because it is there more often.
    """
    found = _columns_for("customer_id", header, rows)
    emails = [column for column in found if any("@" in row[column] for row in rows if column in row)][:1]
    ids = [column for column in found if column not in emails][:1]
    if emails and ids:
        both = {
            (row[ids[0]], row[emails[0]].lower())
            for row in rows
            if row.get(ids[0], "").lower() not in {"", *NOBODY} and emails[0] in row
        }
        if len({key for key, _ in both}) == len({email for _, email in both}) == len(both):
            return (*ids, *emails)
    return (*emails, *ids)


def _unsupported(chosen: Chosen, rows: Rows) -> list[str]:
    """What would give wrong numbers if it was read record by record."""
    if "line_total" not in chosen or not _is_repeated(chosen, rows):
        return []
    if "quantity" in chosen and not _has_quantities(chosen["quantity"], by_order([chosen["order_id"]], rows)):
        return []
    why = f"{chosen['line_total']} is the same on all records of an order, so it seems to be the order's"
    return [f"{why}; export the quantity and the price of each record"]


REFUND = re.compile(r"refund|return|erstatt|retour|rembours|reembols|gutschrift")
NOTHING = ("0", "false", "no", "n", "nein", "none", "-")


def _about_refunds(columns: Collection[str], rows: Rows) -> list[str]:
    """The columns that say that something was given back."""
    named = [column for column in sorted(columns) if REFUND.search(plain(column))]
    return [
        column
        for column in named
        if any(
            text.lower() not in NOTHING and number(text, ".") != 0
            for text in (row.get(column, "0") for row in rows)
        )
    ]


def _of_refunds(column: str, rows: Rows) -> Finding:
    why = "it says something of what was given back, and is not used"
    return Finding("refunded", (column,), "asked", why, _examples(column, rows))


def _has_quantities(quantity: str, orders: Sequence[Rows]) -> bool:
    """Whether an order has records with different quantities."""
    return any(len({row.get(quantity) for row in found}) > 1 for found in orders)


def _version_keys(chosen: Chosen) -> list[str]:
    """The columns that tell versions of orders apart."""
    return [chosen[name] for name in ("order_id", "updated_at") if name in chosen]


def _refunds(chosen: Chosen, header: Sequence[str], rows: Rows) -> Chosen:
    """The fields, with what was refunded as an amount of the order if it is the same on all of its records."""
    orders = by_order(_version_keys(chosen), rows)
    of_line = chosen.get("refunded")
    if of_line and ("item" in plain(of_line) or not is_of_order(of_line, orders)):
        return chosen
    found = [column for column in _columns_for("order_refunded", header, rows) if is_of_order(column, orders)]
    if not found:
        return chosen
    kept: Chosen = {name: column for name, column in chosen.items() if name != "refunded"}
    return kept | {"order_refunded": found[0]}


def _is_repeated(chosen: Chosen, rows: Rows) -> bool:
    """Whether all records of an order have the same amount, in several orders with several records."""
    total = chosen["line_total"]
    orders = by_order([chosen["order_id"]], [row for row in rows if total in row])
    long = [[row[total] for row in found] for found in orders if len(found) > 1]
    return len(long) > 1 and all(len(set(found)) == 1 for found in long)


def known(
    name: str, own: PresetLayout, header: Sequence[str], rows: Rows, answer: DateOrder | None
) -> Proposal:
    """The layout of a preset for files with this header."""
    findings = [
        Finding(key, columns, "proved", f"the export is {name}", _examples(columns[0], rows))
        for key, columns in own.fields.items()
        if key != "date" or own.date_order
    ]
    stops: list[str] = []
    order = own.date_order
    dated = [column for column in own.fields.get("date", ()) if column in header]
    if dated and not order:
        order, found = _date_order(dated[0], rows, answer)
        findings.insert(0, found)
        if order is None:
            stops.append(_which_order(found))
    amounts: tuple[FieldName, ...] = (*AMOUNTS, "charged")
    priced = [column for key in amounts for column in own.fields.get(key, ())]
    decimal = own.decimal or _decimal([row[column] for column in priced for row in rows if column in row])
    return Proposal(layout_for(name, own, header, order or "ymd", decimal), findings, stops)


def column_for(name: FieldName, header: Sequence[str], rows: Rows) -> str | None:
    """The column of a field: the one with the best name whose contents fit."""
    return next(iter(_columns_for(name, header, rows)), None)


def _columns_for(name: FieldName, header: Sequence[str], rows: Rows) -> list[str]:
    """The columns whose names and contents fit, the best name first."""
    test = _FITS.get(name)

    def fits(column: str) -> bool:
        values = [row[column] for row in rows if column in row]
        enough = len(values) >= NEARLY_ALL * len(rows) if name in NEEDED else bool(values)
        return not rows or (enough and (test is None or _share(values, test) >= MOST))

    named = [(rank, column) for column in header if (rank := _rank(name, column, header)) is not None]
    return [column for _, column in sorted(named, key=lambda found: found[0]) if fits(column)]


def _rank(name: FieldName, column: str, header: Sequence[str]) -> int | None:
    """How well a column's name fits a field: the less the better; None if it does not."""
    words = {**NAMES, **ORDER_NAMES, **SESSION_NAMES}[name].split()
    is_nested = any(other.startswith(ITEM) for other in header)
    if is_nested and column.startswith(ITEM) != (name in LINE_FIELDS):
        return None
    if column.startswith(ITEM):
        own = [*words, *ITEM_NAMES.get(name, "").split()]
        names = [plain(column.removeprefix(ITEM)), plain(column)]
    else:
        own = words
        last = plain(column.rsplit(".", 1)[-1])
        names = [plain(column), *([last] if "." in column and last not in {"id", "name"} else [])]
    return min((own.index(found) for found in names if found in own), default=None)


OTHER_DATES = re.compile(
    r"updat|modif|paid|ship|deliver|cancel|refund|return|birth|due|clos|complet|fulfil", re.IGNORECASE
)


def _dates(header: Sequence[str], rows: Rows) -> list[str]:
    """The columns with a day on nearly all records that do not say the day of something else."""
    found = {column: [row[column] for row in rows if column in row] for column in header}
    return [
        column
        for column, values in found.items()
        if not OTHER_DATES.search(column)
        and len(values) >= NEARLY_ALL * len(rows)
        and _share(values, is_date) >= MOST
    ]


def _share(values: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, values)) / len(values) if values else 0.0


def _is_number(text: str) -> bool:
    return number(text, ".") is not None or number(text, ",") is not None


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


_FITS: Mapping[str, Callable[[str], bool]] = {
    "order_id": _has_digit,
    "date": lambda text: is_date(text) or any(day(text, order) for order in NUMBERED),
    "quantity": _is_number,
    "unit_price": _has_digit,
    "line_total": _has_digit,
    "discount": _is_number,
    "refunded": _is_number,
    **dict.fromkeys(ORDER_NAMES, _is_number),
}
"""What most values of a column must be."""


def _examples(column: str, rows: Rows) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row[column] for row in rows if column in row))[:3]


def _finding(name: str, columns: tuple[str, ...], rows: Rows) -> Finding:
    if not columns:
        return Finding(name, (), "unknown", "no column has such a name")
    return Finding(name, columns, "chosen", "by its name", _examples(columns[0], rows))


# --- numbers --------------------------------------------------------------------------------------------------


def _decimal(values: Sequence[str]) -> Literal[".", ","]:
    """The decimal sign that most amounts end with."""
    ends = Counter(found[1] for value in values if (found := re.search(r"([.,])\d{1,2}(?!\d)\D*$", value)))
    return "," if ends[","] > ends["."] else "."


FEW = 3
CENTS = 100
"""Amounts of so much may be cents: hardly any goods cost less than 1."""


def _of_decimal(values: Sequence[str], decimal: str) -> Finding:
    """The decimal sign, which is open if all amounts could also have thousands separators."""
    clear = sum(bool(re.search(r"[.,]\d{1,2}(?!\d)\D*$", value)) for value in values)
    open_ = [value for value in values if re.search(r"\d[.,]\d{3}(?!\d)\D*$", value)]
    if open_ and not clear:
        why = f"{open_[0]} is read as thousands, because no amount has one or two places"
        return Finding("decimal", (), "asked", why, tuple(open_[:3]))
    if not clear and len(values) >= FEW and all((number(text, decimal) or 0) >= CENTS for text in values):
        why = "no amount has a decimal sign, so they may be cents: taken as whole"
        return Finding("decimal", (), "asked", why, tuple(values[:3]))
    ends = tuple(dict.fromkeys(value for value in values if decimal in value))[:3]
    return Finding("decimal", (), "proved" if clear else "chosen", f"{decimal!r} is the decimal sign", ends)


def _amounts(chosen: Chosen, rows: Rows, decimal: str) -> list[Finding]:
    """Whether the amounts are those of units or of lines. The arithmetic of the export decides, where it can."""
    price, total, quantity = (chosen.get(name) for name in ("unit_price", "line_total", "quantity"))
    numbers = [
        [number(row.get(column or "", ""), decimal) for column in (price, total, quantity)] for row in rows
    ]
    if price and total and quantity:
        return [_price_or_total(price, total, [(p, t, q) for p, t, q in numbers if p and t and q], rows)]
    column = cast(str, total or price)
    by_name = "line_total" if total else "unit_price"
    examples = _examples(column, rows)
    if not quantity:
        why = "taken as the amount of the whole line, because no column is a quantity"
        return [Finding(by_name, (column,), "asked" if price else "chosen", why, examples)]
    pairs = _pairs(chosen, rows, [(p or t, q) for p, t, q in numbers])
    as_total = sum(a * d == c * b for a, b, c, d in pairs)
    as_price = sum(a == c for a, _, c, _ in pairs)
    if pairs and max(as_total, as_price) >= NEARLY_ALL * len(pairs):
        is_total = as_total >= as_price
        what = "twice the quantity costs twice" if is_total else "any quantity costs the same"
        state: State = "proved" if len(pairs) >= PROOF else "asked"
        why = f"of a product, {what} ({max(as_total, as_price)} of {len(pairs)} pairs of records)"
        return [Finding("line_total" if is_total else "unit_price", (column,), state, why, examples)]
    why = "taken as the amount of the line, not of one unit" if total else "taken as the price of one unit"
    return [Finding(by_name, (column,), "asked", f"{why}, by its name", examples)]


PROOF = 10
"""How many pairs of records prove something."""


def _pairs(
    chosen: Chosen, rows: Rows, values: Sequence[tuple[Decimal | None, Decimal | None]]
) -> list[tuple[Decimal, Decimal, Decimal, Decimal]]:
    """Amount and quantity of two records of a product with different quantities, for each such product."""
    by_product: dict[str, set[tuple[Decimal, Decimal]]] = defaultdict(set)
    for row, (amount, quantity) in zip(rows, values, strict=True):
        product = row.get(chosen.get("product_id", ""))
        if product and chosen["order_id"] in row and amount and quantity and quantity > 0:
            by_product[product].add((quantity, amount))
    return [
        (a, b, c, d) for found in by_product.values() for (b, a), (d, c) in pairwise(sorted(found)) if b != d
    ]


def _price_or_total(
    price: str, total: str, full: Sequence[tuple[Decimal, Decimal, Decimal]], rows: Rows
) -> Finding:
    """Whether the total is that of the line. Where it is less, the line has a discount; where it is more, it is not."""
    cent = Decimal("0.01")
    less = sum(abs(t) < abs(p * q) - cent for p, t, q in full)
    more = sum(abs(t) > abs(p * q) + cent for p, t, q in full)
    agree = len(full) - less - more
    why = f"quantity times {price} is {total} in {agree} of {len(full)} records"
    if more == 0 and (less == 0 or agree):
        rest = "; in the others it is less, as after a discount" if less else ""
        return Finding(
            "line_total", (total,), "asked" if less else "proved", f"{why}{rest}", _examples(total, rows)
        )
    return Finding("unit_price", (price,), "asked", f"{why}, so {total} is not used", _examples(price, rows))


PERCENT = re.compile(r"%|percent|prozent|pct", re.IGNORECASE)


def _discounts(chosen: Chosen, amount: str, rows: Rows, decimal: str) -> list[Finding]:
    """Whether a discount is an amount that is still to be taken off. A finding without a column means it is not."""
    column = chosen.get("discount")
    if column is None:
        return []
    texts = [row[column] for row in rows if column in row]
    values = [value for text in texts if (value := number(text.rstrip("%"), decimal))]
    if amount == "unit_price" and PERCENT.search(" ".join([column, *texts])):
        state: State = "proved" if any("%" in text for text in texts) else "asked"
        why = f"{column} is taken off the line, in percent"
        return [Finding("discount_percent", (column,), state, why, tuple(texts[:3]))]
    if values and max(values) <= 1:
        return [
            Finding(
                "discount", (), "asked", f"{column} seems to be a share, so it is not used", tuple(texts[:3])
            )
        ]
    if amount == "line_total":
        return [
            Finding("discount", (), "asked", f"{column} is taken as already in the amount", tuple(texts[:3]))
        ]
    return [Finding("discount", (column,), "asked", f"{column} is taken off the line", tuple(texts[:3]))]


# --- dates ----------------------------------------------------------------------------------------------------


def _which_order(found: Finding) -> str:
    """The question that only a person can answer, if the values allow several orders."""
    return f"{found.columns[0]}: {found.why}; say which with --date-order dmy or --date-order mdy"


def _date_order(column: str, rows: Rows, answer: DateOrder | None) -> tuple[DateOrder | None, Finding]:
    """The order of day and month, if the values allow only one."""
    values = [row[column] for row in rows if column in row]
    fits = {text: [name for name in get_args(DateOrder) if day(text, name)] for text in dict.fromkeys(values)}
    counts = Counter(name for text in values for name in fits[text])
    best = max(counts.values(), default=0)
    orders = [name for name in get_args(DateOrder) if counts[name] == best]
    deciding = {
        name: [text for text, names in fits.items() if names == [name]] for name in get_args(DateOrder)
    }
    examples = _examples(column, rows)
    if answer and counts[answer]:
        return answer, Finding("date", (column,), "chosen", f"{answer}, as you said", examples)
    if sum(map(bool, deciding.values())) > 1:
        some = [found[0] for found in deciding.values() if found]
        return None, Finding(
            "date", (column,), "asked", f"{' and '.join(some)} are in different orders", examples
        )
    if len(orders) > 1:
        return None, Finding("date", (column,), "asked", f"{' and '.join(orders)} fit every date", examples)
    (order,) = orders
    if order == "ymd" or len(deciding[order]) > 1:
        return order, Finding("date", (column,), "proved", f"only {order} fits", examples)
    return order, Finding(
        "date", (column,), "asked", f"{order}, because of {deciding[order][0]} alone", examples
    )


# --- sessions of the website ------------------------------------------------------------------------------------


def propose_sessions(
    header: Sequence[str], rows: Rows, date_order: DateOrder | None = None, records: str = "records"
) -> Proposal | None:
    """A layout for files with sessions of the website, or with their events; None if they hold none.

    These have a customer and a time, and a session or something that the visitor did; and no orders.

    Args:
        header: the names of the columns.
        rows: the first records of the files, by column. Absent and blank values are left out.
        date_order: the answer of a person, if the dates allow several.
        records: the name of the records in SQL.

    """
    session, activity = (column_for(name, header, rows) for name in ("session_id", "activity"))
    people = _visitors(header, rows)
    times = [
        *filter(lambda column: _is_time(column, rows), _named(TIME_NAMES, header, rows)),
        *_dates(header, rows),
    ]
    if not (session or activity) or not people or not times or _has_other_records(header, rows):
        return None
    if not session and not _comes_back(people[0], rows):
        return None
    order, of_time = _date_order(times[0], rows, date_order)
    fields: dict[FieldName, tuple[str, ...]] = {"customer_id": people, "date": (times[0],)}
    fields |= {"session_id": (session,)} if session else {}
    fields |= {"activity": (activity,)} if activity else {}
    product = next(
        (column for column in _columns_for("product_id", header, rows) if column != activity), None
    )
    fields |= {"product_id": (product,)} if product else {}
    findings = [
        of_time,
        *(_finding(name, fields.get(name, ()), rows) for name in ("customer_id", "product_id")),
    ]
    findings += [_of_session(session, rows), _of_activity(activity, rows)]
    layout = Layout(
        name=records, header=tuple(header), table="sessions", fields=fields, date_order=order or "ymd"
    )
    return Proposal(layout, findings, () if order else (_which_order(of_time),))


def _named(names: str, header: Sequence[str], rows: Rows) -> list[str]:
    """The columns with one of the names and a text, the best name first."""
    ranks = {name: rank for rank, name in enumerate(names.split())}
    found = [column for column in header if plain(column) in ranks and any(column in row for row in rows)]
    return sorted(found, key=lambda column: ranks[plain(column)])


def _visitors(header: Sequence[str], rows: Rows) -> tuple[str, ...]:
    return _people(header, rows) or tuple(_named(VISITOR_NAMES, header, rows))[:1]


def _is_time(column: str, rows: Rows) -> bool:
    values = [row[column] for row in rows if column in row]
    return len(values) >= NEARLY_ALL * len(rows) and _share(values, _FITS["date"]) >= MOST


def _has_other_records(header: Sequence[str], rows: Rows) -> bool:
    """Whether the records are order lines or tickets."""
    is_sold = any(column_for(name, header, rows) for name in ("quantity", *AMOUNTS))
    order = column_for("order_id", header, rows)
    is_ordered = order is not None and plain(order) not in {"id", "name"}
    return (is_sold and is_ordered) or any(TICKET.search(plain(column)) for column in header)


def _comes_back(column: str, rows: Rows) -> bool:
    """Whether a customer has several records; a table of customers has one for each."""
    seen = Counter(row[column].lower() for row in rows if column in row)
    return any(count > 1 for count in seen.values())


def _of_session(column: str | None, rows: Rows) -> Finding:
    if column:
        return Finding("session_id", (column,), "chosen", "by its name", _examples(column, rows))
    why = f"no column has such a name; events of a customer at most {PAUSE} minutes apart are one session"
    return Finding("session_id", (), "asked", why)


def _of_activity(column: str | None, rows: Rows) -> Finding:
    if column is None:
        return Finding("activity", (), "unknown", "no column has such a name")
    why = "by its name; events and pages that are known get the platform's words, such as Add to Cart"
    return Finding("activity", (column,), "chosen", why, _examples(column, rows))
