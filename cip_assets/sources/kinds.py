"""Finds the rules for what a record is: by columns that say whether it counts, and by products that are no goods."""

import re
from collections.abc import Sequence

from cip_assets.sources.config import FieldName, Kind, KindName
from cip_assets.sources.findings import Chosen, Finding, Rows, is_date, plain
from cip_assets.sources.values import number
from cip_assets.storage.views import literal

Words = Sequence[tuple[str, KindName]]
"""Patterns of values, the first that fits counts."""

STATUS = re.compile(
    r"stat(us|e)$|status|statut$|cancel|storn|void|delet|gelosch|zustand|etat$|estado$|stato$|situacao$|^(remark|bemerkung)$"
    r"|^(transaction|item|line|lineitem|record|document|doc|order|invoice|receipt|entry|voucher)?type$|^typ$"
    r"|^(beleg|vorgangs|dokument|buchungs|auftrags|rechnungs)(art|typ)$"
)
"""Names of columns that say whether an order counts, without blanks and signs."""

NOT_PAYMENT = re.compile(r"fulfil|ship|deliver|track|versand|liefer")
"""Names of columns whose status says nothing about payment."""

NO_STATUS = re.compile(
    r"pay|zahl|method|reason|grund|note|comment|countr|land|region|city|segment|categor|kategor|brand|channel|tag|name"
)
"""Names of columns with words that say something else."""

FLAGS: Words = (
    (r"^(is)?(test|sandbox)(mode|order)?$", "test"),
    (r"delet|removed|gelosch", "deleted"),
    (r"cancel|storn|void|annul", "cancelled"),
)
"""Names of columns that say yes or no."""

PAID_FLAG = re.compile(r"^(is)?(paid|bezahlt)$")
TRUE = ("true", "t", "1", "yes", "y", "x", "ja", "j", "wahr", "oui", "si", "sí")
FALSE = ("false", "f", "0", "no", "n", "nein", "falsch", "non")

FREE_TEXT = ("remark", "bemerkung", "state", "addressstate", "shippingstate", "billingstate", "region")
FEW_VALUES = 20
"""The most different values of a column that says whether an order counts."""

UNPAID = (
    r"pending|on.?hold|await|unpaid|not.{0,6}paid|(un|nicht )bezahlt|ausstehend|outstanding|incomplete|abandon"
    r"|offene? zahlung|zahlung offen|^wart|en attente|en espera|pendient|pendente|aguardando|in attesa"
    r"|in afwachting|impay|^(offen|open|new|draft|entwurf|brouillon|borrador|quote|quotation|estimate|angebot|devis)$"
)
FAILED = (
    r"fail|declin|unsuccess|rejected|denied|^error|fehlgeschlag|abgelehnt|échou|échec|fallid|fallit|mislukt"
)
STATUS_WORDS: Words = (
    (r"cancel|storn|an+ul|^void|avbr[iu]|отмен", "cancelled"),
    (r"^(deleted|trash|gelöscht|supprim|eliminad)", "deleted"),
    (UNPAID, "awaiting_payment"),
    (FAILED, "failed"),
    (r"^test", "test"),
)
TYPE = re.compile(r"(type|typ|art)$")
LINE_TYPE = re.compile(r"^(item|line|lineitem|record|row)type$")
LINE_TYPE_WORDS: Words = (
    (r"^(promotion|discount|coupon|voucher|rabatt|gutschein|remise|descuento|sconto|korting)", "discount"),
    (r"^(shipping|postage|versand)", "shipping"),
    (r"^(surcharge|fee|gebühr|tip$)", "fee"),
    (r"^(gift.?card|geschenkgutschein)", "gift_card"),
)
"""What the type of a line says, beside what that of an order may say."""

TYPE_WORDS: Words = (
    (r"refund|return|credit|gutschrift|retoure|rückgabe|^avoir|devoluci|^reso$|rembours|reembols", "return"),
)
IN_PART = r"part.*(refund|return|rembours)|teil.*erstatt|parcial.*(reembols|devolu)|rimbors.*parzial"
IN_ALL = (
    r"^((order |fully |was )*(refunded|returned)|(zurück)?erstattet|retourniert|rembours[ée]e?|reembolsad[oa]"
    r"|rimborsat[oa]|terugbetaald|återbetalad)$"
)
REFUNDED: Words = ((IN_PART, "partly_refunded"), (IN_ALL, "refunded"))
"""What a status says of refunds. It counts only if nothing else does."""

GIVEN_BACK: Sequence[FieldName] = ("refunded", "order_refunded", "returned_quantity")
DOCUMENTS: Words = (
    (
        r"^(refund|return|credit|credit (note|memo)|gutschrift|retoure|rückgabe|avoir|devolución|reso)$",
        "return",
    ),
)
PLAIN_WORDS = re.compile(
    r"cancel\w+|storno|storniert|\w*annul\w+|refund(ed)?|return(ed)?|credit (note|memo)|gutschrift|retoure|avoir",
    re.IGNORECASE,
)
"""Values that only a column has which says what a record is."""

COUNTED = re.compile(
    r"paid|complete|fulfilled|shipped|process|deliver|closed|done|ok|success|sale|order|invoice|rechnung|fertig|bezahlt"
    r"|versen|versandt|erledigt|abgeschlossen|geliefert|payée?|livrée?|expédi|pagad|entregad|completad|enviad|spedit",
    re.IGNORECASE,
)
"""Values that say that an order counts."""

DOUBT = re.compile(
    r"\b(un|in|not|nicht|non|no|kein)\b|^(un|in)(?!voice)|refund|return|retour|erstatt|rembours|reembols|back|part|teil",
    re.IGNORECASE,
)
"""Values that say so of something else, or not of all."""

TOTAL_WORDS = re.compile(
    r"(grand |sub)?(total|sum)s?|(zwischen|gesamt)?summe|gesamt|totale|totaal|summa", re.IGNORECASE
)
SHIPPING = (
    r"^((standard|express|free|economy|next day) )?(shipping|postage|delivery)|^(versand|porto)|\bversand(kosten)?$"
    r"|^frais de (port|livraison)|^p ?(&|und|and) ?p$|^gastos de env|^spese di spedizione|^verzendkosten"
)
NO_GOODS: Words = (
    (
        r"^((grand|order|invoice|sub)[- ]?)?total$|^(zwischen|gesamt)summe$|^sous-total$|^subtotale$",
        "summary",
    ),
    (r"discount|rabatt|coupon|remise|voucher|gutschein", "discount"),
    (SHIPPING, "shipping"),
    (r"^(vat|sales tax|tax|mwst)", "tax"),
    (r"^(e-?)?(gift ?card|voucher|gutschein|geschenkgutschein)|^(carte|chèque) cadeau", "gift_card"),
    (r"^(tip|gratuity|trinkgeld|pourboire|propina|mancia|fooi|service (fee|charge))$", "fee"),
    (r"^(bottle|can|container) deposit|pfand$|^pfand\b|^consigne\b|^statiegeld", "fee"),
    (
        r"^deposit( (paid|payment|for)\b.*|[ -]*\d.*)?$|^(down ?|pre-?)payment|^anzahlung|^acompte|^anticipo\b",
        "adjustment",
    ),
)


def kinds_of(chosen: Chosen, header: Sequence[str], rows: Rows) -> tuple[list[Kind], list[Finding]]:
    """Rules for what is no sale: total lines, the status of the order, and lines without goods.

    The rules have patterns and not the values that were found, so that they also hold for values that come later.
    """
    kinds = [
        _kind("summary", f"regexp_full_match(coalesce(order_id, ''), {literal(TOTAL_WORDS.pattern)}, 'i')")
    ]
    unnamed = [row for row in rows if chosen["order_id"] not in row]
    for column, value in sorted(
        {(c, v) for row in unnamed for c, v in row.items() if TOTAL_WORDS.fullmatch(v)}
    ):
        kinds.append(_kind("summary", f"order_id IS NULL AND record[{literal(column)}] = {literal(value)}"))
    findings: list[Finding] = []
    refunds = () if _has_returns(chosen, header, rows) else REFUNDED
    for column in header:
        if column not in chosen.values():
            more, found = _of_column(column, _values(column, rows), refunds)
            kinds += more
            findings += found
    for column in dict.fromkeys(chosen[name] for name in ("product_id", "product_name") if name in chosen):
        kinds += _by_words(column, NO_GOODS)
        goods = {value for value in _values(column, rows) if _kind_of(value, NO_GOODS)}
        findings += _answers(column, set(sorted(goods)[:FEW_VALUES]), NO_GOODS)
    return sorted(kinds, key=lambda rule: rule.kind in {"refunded", "partly_refunded"}), findings


def _has_returns(chosen: Chosen, header: Sequence[str], rows: Rows) -> bool:
    """Whether records or columns say what was given back, so that a status need not."""
    amounts = [chosen[name] for name in ("quantity", "unit_price", "line_total") if name in chosen]
    types = [column for column in header if column not in chosen.values() and TYPE.search(plain(column))]
    return (
        any(name in chosen for name in GIVEN_BACK)
        or any((number(row.get(column, "0"), ".") or 0) < 0 for column in amounts for row in rows)
        or any(_kind_of(value, TYPE_WORDS) for column in types for value in _values(column, rows))
    )


def _of_column(column: str, values: set[str], refunds: Words) -> tuple[list[Kind], list[Finding]]:
    """The rules that a column gives, with what is asked about them."""
    name = plain(column)
    flag = _kind_of(name, FLAGS)
    if (flag or STATUS.search(name)) and any(map(is_date, values)):
        text = f"record[{literal(column)}]"
        day = f"coalesce(ymd({text}), dmy({text}), mdy({text}))"
        asked = Finding("kind", (column,), "asked", "a record with this date is not counted")
        return [_kind(flag or "cancelled", f"{day} IS NOT NULL")], [asked]
    if flag and {value.lower() for value in values} <= {*TRUE, *FALSE}:
        return [_kind(flag, _is_one_of(column, TRUE))], []
    if PAID_FLAG.search(name) and values and {value.lower() for value in values} <= {*TRUE, *FALSE}:
        return [_kind("awaiting_payment", _is_one_of(column, FALSE))], []
    if not 0 < len(values) <= FEW_VALUES:
        return [], []
    words = [
        *(LINE_TYPE_WORDS if LINE_TYPE.search(name) else ()),
        *(TYPE_WORDS if TYPE.search(name) else ()),
        *STATUS_WORDS,
        *refunds,
    ]
    if NOT_PAYMENT.search(name):
        words = [(pattern, kind) for pattern, kind in words if kind != "awaiting_payment"]
    if not STATUS.search(name):
        return _of_unnamed(column, values, refunds)
    if name in FREE_TEXT:
        values = {value for value in values if _kind_of(value, words)}
    return _by_words(column, words), _answers(column, values, words)


def _of_unnamed(column: str, values: set[str], refunds: Words) -> tuple[list[Kind], list[Finding]]:
    """The rules of a column that says by its contents what a record is, and not by its name."""
    if NO_STATUS.search(plain(column)) or not any(map(PLAIN_WORDS.fullmatch, values)):
        return [], []
    words = [*DOCUMENTS, *STATUS_WORDS, *refunds]
    return _by_words(column, words), _answers(column, values, words)


def _is_one_of(column: str, words: Sequence[str]) -> str:
    return f"lower(record[{literal(column)}]) IN ({', '.join(map(literal, words))})"


def _by_words(column: str, words: Words) -> list[Kind]:
    """A rule for each pattern of values. Something is a discount only if it lowers the amount."""
    return [
        _kind(
            kind,
            f"regexp_matches(coalesce(record[{literal(column)}], ''), {literal(pattern)}, 'i')"
            + (" AND amount < 0" if kind == "discount" else ""),
        )
        for pattern, kind in words
    ]


def _answers(column: str, values: set[str], words: Words) -> list[Finding]:
    """What each value is taken as, unless it plainly says that the order counts."""
    found = []
    for value in sorted(values):
        kind = _kind_of(value, words)
        if kind or not COUNTED.search(value) or DOUBT.search(value):
            why = f"{value!r} is taken as {kind}" if kind else f"{value!r} counts as a sale"
            rest = _kind_of(value, [(pattern, other) for pattern, other in words if other != "discount"])
            if kind == "discount" and rest:
                why = f"{why} if it lowers the amount, else as {rest}"
            found.append(Finding("kind", (column,), "asked", why, (value,)))
    return found


def _kind_of(value: str, words: Words) -> KindName | None:
    return next((kind for pattern, kind in words if re.search(pattern, value, re.IGNORECASE)), None)


def _values(column: str, rows: Rows) -> set[str]:
    return {row[column] for row in rows if column in row}


def _kind(kind: KindName, when: str) -> Kind:
    return Kind.model_validate({"is": kind, "when": when})
