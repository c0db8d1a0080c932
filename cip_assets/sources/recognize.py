"""Finds out what the columns of an export mean: by their names, and by what they contain."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache, partial
from itertools import pairwise
from typing import Literal, cast, get_args

from cip_assets.sources.arithmetic import after_returns, by_order, is_of_order, prove
from cip_assets.sources.config import NEEDED_FIELDS, NOBODY, DateOrder, FieldName, Layout
from cip_assets.sources.findings import (
    Chosen,
    Finding,
    Rows,
    State,
    currency_named,
    is_date,
    plain,
    unqualified,
)
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
    "receiptnumber receiptid receipt billno billnumber ordernum orderref orderreference salesorder "
    "bestellnummer bestellnr auftragsnummer auftragsnr rechnungsnummer rechnungsnr "
    "belegnummer belegnr bestellid bonnummer bonnr incrementid amazonorderid saleid documentno documentnumber "
    "ordername nocommande numerocommande commande nofacture numerofacture facture numeroordine ordine numerofattura "
    "fattura pedido numeropedido nopedido encomenda numeroencomenda factura numerofactura bestelnummer "
    "ordernummer factuurnummer ordrenummer transactionid id name",
    "customer_id": "customeremail buyeremail billingemail email emailaddress mail emailrechnung emailclient "
    "emailcliente customerid customerno customernumber kundennummer kundennr noclient numeroclient codeclient "
    "codicecliente nocliente numerocliente codigocliente klantnummer kundnummer customer kunde buyerid "
    "buyer clientid userid client cliente klant "
    "customername kundenname clientname buyername billingname nomclient nomecliente nombrecliente klantnaam",
    "product_id": "stockcode sku productid productcode itemsku itemid asin articleno artikelnummer artikelnr "
    "lineitemsku referencia reference codearticle codicearticolo codigoarticulo codigoproducto codigoproduto "
    "varenummer product item artikel article articolo articulo produit producto prodotto produto",
    "product_name": "description productname itemname title producttitle lineitemname artikelname bezeichnung "
    "designation descripcion descrizione descricao omschrijving benamning product item artikel article "
    "articolo articulo produit producto prodotto produto",
    "category": "category productcategory kategorie",
    "quantity": "quantity qty lineitemquantity itemquantity menge anzahl units qtyordered quantite qte "
    "cantidad quantita quantidade aantal antal netitemssold itemssold",
    "unit_price": "unitprice price itemprice lineitemprice einzelpreis stückpreis preis artikelpreis "
    "itemcost prixunitaire prix precio preciounitario prezzo prezzounitario prijs stukprijs preco precounitario pris",
    "line_total": "linetotal lineamount itemtotal rowtotal netsales netamount nettobetrag netto total amount "
    "sales gesamtpreis gesamt betrag totalprice value umsatz revenue montant importe importo totale totaal bedrag "
    "gesamtsumme grosssales valortotal valor belopp orderlinesubtotal orderlinetotal positionspreis",
    "discount": "discount discounts linediscount itemdiscount rabattbetrag discountpercent discountpercentage "
    "discountpct percentdiscount rabattprozent rabatt",
    "refunded": "itemrefunded linerefunded refundedamount amountrefunded refundamount refunded refund returnamount "
    "returnedamount erstattet erstattung erstattungsbetrag",
    "returned_quantity": "returnedqty returnedquantity qtyreturned quantityreturned refundedqty refundedquantity "
    "qtyrefunded quantityrefunded returnqty returnquantity retourmenge retournierte mengeretour",
    "date": "orderdate orderedat ordereddate bestelldatum purchasedate invoicedate createdat date datum day "
    "transactiondate rechnungsdatum kaufdatum belegdatum datecommande fechapedido fecha dataordine datapedido data "
    "besteldatum orderdatum ordredato created",
    "payment_method": "paymentmethod payment zahlungsart",
    "currency": "currency currencycode isocode ordercurrency paidcurrency waehrung währung devise divisa "
    "moneda valuta moeda",
    "updated_at": "updatedat lastupdateddate lastupdated updated modifiedat datemodified lastmodified",
}
"""The names of each field's columns, the best first, as ``plain`` writes them."""

ORDER_NAMES: Mapping[FieldName, str] = {
    "charged": "ordertotal grandtotal totalpaid amountpaid paid totalcharged charged paymenttotal total "
    "totalprice totalamount amounttotal gesamtbetrag gesamtsumme bestellsumme gesamt grossamount bruttobetrag brutto "
    "totalsales ordertotalamount rechnungsbetrag totalcommande totalpedido totaleordine totalbestelling",
    "subtotal": "subtotal ordersubtotal ordersubtotalamount subtotalprice goodstotal goods merchandise itemstotal "
    "warenwert zwischensumme",
    "shipping": "shipping shippingcost shippingtotal shippingamount shippingprice ordershipping shippingfee "
    "shippingrate ordershippingamount gastosenvio spesespedizione verzendkosten frete "
    "postage delivery deliverycost deliveryprice freight versand versandkosten versandpreis porto fraisport "
    "livraison",
    "tax": "tax taxes taxtotal totaltax taxamount ordertax salestax vat vatamount mwst ust mehrwertsteuer tva "
    "iva btw",
    "order_discount": "cartdiscountamount discounttotal totaldiscount totaldiscounts orderdiscount cartdiscount "
    "couponamount coupondiscount coupon voucher discountamount discount rabatt gutschein remise",
    "order_refunded": "refundedtotal totalrefunded orderrefunded refundtotal refundedamount amountrefunded "
    "refundamount orderrefundamount refunded refund refundsamount erstattet erstattung",
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
    "returned_quantity",
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
    versions = _of_versions(chosen, rows)
    if versions and not versions.columns:
        del chosen["updated_at"]
    priced = [row[chosen[name]] for name in AMOUNTS if name in chosen for row in rows if chosen[name] in row]
    decimal = _decimal(priced)
    chosen, findings, stops = _of_amounts(chosen, read, rows, decimal)
    findings = [_of_decimal(priced, decimal), *([versions] if versions else []), *findings]
    currency = currency_named(chosen.get("line_total") or chosen["unit_price"])
    if currency and "currency" in chosen and not _says(chosen["currency"], currency, rows):
        column = chosen.pop("currency")
        why = f"the amounts are in {currency} by the name of their column, so {column} is not used"
        findings.append(Finding("currency", (), "asked", why, _examples(column, rows)))
    order, found = _date_order(chosen["date"], rows, date_order)
    findings.append(found)
    if order is None:
        stops.append(_which_order(found))
    elif (
        "updated_at" in chosen
        and _share(_texts(chosen["updated_at"], rows), partial(_is_time_in, order)) < MOST
    ):
        column = chosen.pop("updated_at")
        why = f"{column} is not written as the dates are, so it is not used to find the newest version"
        findings.append(Finding("updated_at", (), "asked", why, _examples(column, rows)))
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
            "currency": currency,
            "kinds": kinds,
        }
    )
    used = {column for columns in fields.values() for column in columns}
    checked = [_with_others(finding, used, read, rows) for finding in findings]
    asked = {column for finding in of_kinds for column in finding.columns}
    asked |= {column for finding in checked if finding.state == "asked" for column in finding.columns}
    checked += _not_used(set(read) - used - asked, rows)
    return Proposal(layout, (*checked, *of_kinds), tuple(stops))


def _of_amounts(
    chosen: Chosen, header: Sequence[str], rows: Rows, decimal: str
) -> tuple[Chosen, list[Finding], list[str]]:
    """The fields with those amounts that the arithmetic proves, or that names and contents decide."""
    columns = partial(_columns_for, header=header, rows=rows)
    given_back = [
        column for column in _about(REFUND, header, rows) if _share(_texts(column, rows), _is_number) >= MOST
    ]
    of_lines = after_returns(columns, given_back, rows, decimal)
    if proof := of_lines or prove(_version_keys(chosen), columns, rows, decimal):
        kept: Chosen = {name: column for name, column in chosen.items() if name not in {*AMOUNTS, "discount"}}
        found = kept | dict(proof.fields)
        findings = [
            Finding(name, (column,), "proved", proof.why, _examples(column, rows))
            for name, column in proof.fields.items()
        ]
        return found if of_lines else _refunds(found, header, rows), findings, []
    amounts = _amounts(chosen, rows, decimal)
    discounts = _discounts(chosen, amounts[0].field, rows, decimal)
    found = {name: column for name, column in chosen.items() if name not in {*AMOUNTS, "discount"}}
    found |= {
        cast(FieldName, finding.field): finding.columns[0]
        for finding in (*amounts, *discounts)
        if finding.columns
    }
    stops = _unsupported(found, rows)
    return _refunds(found, header, rows), [*amounts, *discounts], stops


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
    if finding.field not in NAMES or not finding.columns:
        return finding
    first = finding.columns[0]
    others = [
        column
        for column in _columns_for(cast(FieldName, finding.field), header, rows)
        if column not in used
        and (finding.field not in AMOUNTS or _is_same_amount(column, first))
        and any(row.get(column) != row.get(first) for row in rows)
    ]
    if not others:
        return finding
    return replace(finding, state="asked", why=f"{finding.why}; {others[0]} could be it too")


def _says(column: str, currency: str, rows: Rows) -> bool:
    return all(row[column].upper() == currency for row in rows if column in row)


def _is_same_amount(column: str, other: str) -> bool:
    """Whether two columns are an amount in different currencies, or with tax and without."""
    return (unqualified(column) or plain(column)) == (unqualified(other) or plain(other))


def _people(header: Sequence[str], rows: Rows) -> tuple[str, ...]:
    """The columns that identify the buyer: an email address, which people without an account have too, then an id.

    If each id has one email address and each address one id, the id comes first, because it is there more often.
    """
    found = _columns_for("customer_id", header, rows)
    emails = [column for column in found if any("@" in row[column] for row in rows if column in row)][:1]
    emails = emails or [column for column in header if _are_addresses(column, rows)][:1]
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


NO_BUYER = re.compile(r"vendor|seller|supplier|employee|staff|agent|assign|owner|sales|shop|store")
"""Columns with addresses of others."""


def _are_addresses(column: str, rows: Rows) -> bool:
    """Whether a column has the email addresses of several people who may be buyers."""
    texts = _texts(column, rows)
    return (
        not NO_BUYER.search(plain(column))
        and len(set(texts)) > 1
        and _share(texts, lambda text: "@" in text and " " not in text) >= MOST
    )


def _unsupported(chosen: Chosen, rows: Rows) -> list[str]:
    """What would give wrong numbers if it was read record by record."""
    if "line_total" not in chosen or not _is_repeated(chosen, rows):
        return []
    if "quantity" in chosen and not _has_quantities(chosen["quantity"], by_order([chosen["order_id"]], rows)):
        return []
    why = f"{chosen['line_total']} is the same on all records of an order, so it seems to be the order's"
    return [f"{why}; export the quantity and the price of each record"]


OFF = re.compile(r"discount|rabatt|coupon|voucher|gutschein|remise|descuento|sconto|korting|desconto")
"""Columns of what was taken off."""

REFUND = re.compile(r"refund|return|erstatt|retour|rembours|reembols|gutschrift")
NOTHING = ("0", "false", "no", "n", "nein", "none", "-")


def _about(words: re.Pattern[str], columns: Collection[str], rows: Rows) -> list[str]:
    """The columns with such names that say something in some record."""
    named = [column for column in sorted(columns) if words.search(plain(column))]
    return [
        column
        for column in named
        if any(
            text.lower() not in NOTHING and number(text, ".") != 0
            for text in (row.get(column, "0") for row in rows)
        )
    ]


def _not_used(columns: Collection[str], rows: Rows) -> Iterator[Finding]:
    """What is asked about columns that say something of refunds and discounts."""
    for column in _about(REFUND, columns, rows):
        why = "it says something of what was given back, and is not used"
        yield Finding("refunded", (column,), "asked", why, _examples(column, rows))
    for column in _about(OFF, columns, rows):
        if _share(_texts(column, rows), _is_number) >= MOST:
            why = "it says something of what was taken off, and is not used"
            yield Finding("discount", (column,), "asked", why, _examples(column, rows))


def _has_quantities(quantity: str, orders: Sequence[Rows]) -> bool:
    """Whether an order has records with different quantities."""
    return any(len({row.get(quantity) for row in found}) > 1 for found in orders)


def _version_keys(chosen: Chosen) -> list[str]:
    """The columns that tell versions of orders apart."""
    return [chosen[name] for name in ("order_id", "updated_at") if name in chosen]


def _of_versions(chosen: Chosen, rows: Rows) -> Finding | None:
    """Whether records with different times of change are versions of their order; None if no order has several.

    They are not if most orders have other products at each time: the column is then that of the line.
    """
    column = chosen.get("updated_at")
    if column is None:
        return None
    several = apart = 0
    for found in by_order([chosen["order_id"]], [row for row in rows if column in row]):
        products: dict[str, set[str | None]] = defaultdict(set)
        for row in found:
            products[row[column]].add(row.get(chosen.get("product_id", "")))
        several += len(products) > 1
        apart += any(not one & other for one, other in pairwise(products.values()))
    if not several:
        return None
    examples = _examples(column, rows)
    if 2 * apart > several:
        why = (
            f"{column} is another one on each line of an order, so it is not used to find the newest version"
        )
        return Finding("updated_at", (), "asked", why, examples)
    why = f"{several} orders are there in several versions; the newest one counts, not the lines of all"
    return Finding("updated_at", (column,), "asked", why, examples)


def _refunds(chosen: Chosen, header: Sequence[str], rows: Rows) -> Chosen:
    """The fields, with what was refunded as an amount of the order if it is the same on all of its records."""
    orders = by_order(_version_keys(chosen), rows)
    of_line = chosen.get("refunded")
    if of_line and {row.get(of_line, "0") for row in rows} <= {"0", "1"}:  # a flag says no amount
        return {name: column for name, column in chosen.items() if name != "refunded"}
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

    own = _own_currency(header, rows)
    named = [
        (rank, currency_named(column) not in {None, own}, column)
        for column in header
        if (rank := _rank(name, column, header)) is not None
    ]
    return [column for *_, column in sorted(named, key=lambda found: found[:2]) if fits(column)]


def _own_currency(header: Sequence[str], rows: Rows) -> str | None:
    """The currency that all records name in a column for it, if there is one."""
    codes = {
        row[column].upper()
        for column in header
        if plain(column) in _words("currency")
        for row in rows
        if column in row
    }
    return codes.pop() if len(codes) == 1 else None


@cache
def _words(name: FieldName) -> list[str]:
    """The names of a field's columns, the best first."""
    return [plain(word) for word in {**NAMES, **ORDER_NAMES, **SESSION_NAMES}[name].split()]


def _rank(name: FieldName, column: str, header: Sequence[str]) -> int | None:
    """How well a column's name fits a field: the less the better; None if it does not."""
    words = _words(name)
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
    ranks = [own.index(found) for found in names if found in own]
    if (without := unqualified(column.removeprefix(ITEM))) in own:
        ranks.append(len(own) + own.index(without))
    return min(ranks, default=None)


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


def _is_time_in(order: DateOrder, text: str) -> bool:
    return any(day(text, each) for each in (order, "ymd", "unix"))


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
    "returned_quantity": _is_number,
    **dict.fromkeys(ORDER_NAMES, _is_number),
}
"""What most values of a column must be."""


def _texts(column: str, rows: Rows) -> list[str]:
    return [row[column] for row in rows if column in row]


def _examples(column: str, rows: Rows) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_texts(column, rows)))[:3]


PERSON_NAME = re.compile(r"name|^nom|nombre|naam")
"""Columns of the buyers' names."""


def _finding(name: str, columns: tuple[str, ...], rows: Rows) -> Finding:
    if not columns:
        return Finding(name, (), "unknown", "no column has such a name")
    if name == "customer_id" and PERSON_NAME.search(plain(columns[0])):
        why = "the name is the customer, although different people may share it"
        return Finding(name, columns, "asked", why, _examples(columns[0], rows))
    if name == "customer_id" and _rank("customer_id", columns[0], columns) is None:
        return Finding(name, columns, "chosen", "its texts are email addresses", _examples(columns[0], rows))
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
    half = cent / 2  # a price that was rounded, such as one without its tax, is wrong by so much
    less = sum(abs(t) < abs(p * q) - max(cent, half * abs(q)) for p, t, q in full)
    more = sum(abs(t) > abs(p * q) + max(cent, half * abs(q)) for p, t, q in full)
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
    if values and max(values) <= 1 and amount == "unit_price":
        why = f"{column} is taken off the line as a share of it, because it is never more than 1"
        return [Finding("discount_share", (column,), "asked", why, tuple(texts[:3]))]
    if amount == "line_total":
        return [
            Finding("discount", (), "asked", f"{column} is taken as already in the amount", tuple(texts[:3]))
        ]
    return [Finding("discount", (column,), "asked", f"{column} is taken off the line", tuple(texts[:3]))]


# --- dates ----------------------------------------------------------------------------------------------------


def _which_order(found: Finding) -> str:
    """The question that only a person can answer, if the values allow several orders."""
    return f"{found.columns[0]}: {found.why}"


SAY = "say which with --date-order dmy or --date-order mdy"
AGAIN = "export the file again, and do not open it in a spreadsheet before"


def _swapped(fits: Mapping[str, Sequence[DateOrder]]) -> tuple[str, str] | None:
    """A text and a date that show that a spreadsheet has read days as months where that was possible.

    What is left as text has days above 12 only, and what became a date has none.
    """
    dates = [text for text, orders in fits.items() if "ymd" in orders]
    texts = [text for text, orders in fits.items() if orders and "ymd" not in orders]
    if min(len(dates), len(texts)) < FEW or any(len(fits[text]) > 1 for text in texts):
        return None
    found = [day(text, "ymd") for text in dates]
    return None if any(each and each.day > MONTHS for each in found) else (texts[0], dates[0])


MONTHS = 12


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
    if swapped := _swapped(fits):
        why = f"{' and '.join(swapped)}: a spreadsheet seems to have swapped day and month where it could; {AGAIN}"
        return None, Finding("date", (column,), "asked", why, examples)
    if answer and counts[answer]:
        return answer, Finding("date", (column,), "chosen", f"{answer}, as you said", examples)
    if sum(map(bool, deciding.values())) > 1:
        some = [found[0] for found in deciding.values() if found]
        why = f"{' and '.join(some)} are in different orders; {SAY}"
        return None, Finding("date", (column,), "asked", why, examples)
    if len(orders) > 1 and "ymd" not in orders:
        return None, Finding(
            "date", (column,), "asked", f"{' and '.join(orders)} fit every date; {SAY}", examples
        )
    order = orders[0]
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
