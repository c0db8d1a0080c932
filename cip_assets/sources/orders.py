"""From the order lines of exports to what lands: versions of an order, discounts, refunds, payments and currencies."""

import csv
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import duckdb

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, Sources
from cip_assets.storage.views import literal

NEWEST = """
CREATE TABLE ranked AS
  WITH reached AS (
    SELECT export, file_no, quantile_disc(day, 0.99) AS day FROM lines WHERE kind = 'sale' GROUP BY ALL)
  SELECT export, file_no, is_whole,
    row_number() OVER (PARTITION BY export
      ORDER BY delivered NULLS FIRST, fetched NULLS FIRST, day NULLS FIRST, changed, file) AS rank
  FROM files LEFT JOIN reached USING (export, file_no);
UPDATE lines SET record_number = epoch_us(lines.updated_at) FROM (
    SELECT DISTINCT export, file_no, order_id FROM lines WHERE updated_at IS NOT NULL AND record_number IS NULL
    GROUP BY export, file_no, order_id, coalesce(product_id, '') HAVING count(DISTINCT updated_at) > 1) AS repeated
  WHERE lines.export = repeated.export AND lines.file_no = repeated.file_no AND lines.order_id = repeated.order_id;
CREATE TABLE versions AS
  SELECT export, order_id, file_no, record_number,
    row_number() OVER (PARTITION BY export, order_id
      ORDER BY CASE WHEN is_whole THEN rank END NULLS FIRST, max(updated_at), rank, record_number) AS version
  FROM lines JOIN ranked USING (export, file_no)
  WHERE order_id IS NOT NULL AND updated_at IS NOT NULL
  GROUP BY export, order_id, file_no, record_number, rank, is_whole;
UPDATE lines SET kind = 'superseded' FROM versions
  WHERE lines.export = versions.export AND lines.order_id = versions.order_id AND lines.file_no = versions.file_no
    AND lines.record_number IS NOT DISTINCT FROM versions.record_number
    AND version < (SELECT max(version) FROM versions AS newer
      WHERE newer.export = versions.export AND newer.order_id = versions.order_id);
CREATE TABLE parts AS
  SELECT DISTINCT export, coalesce(document_id, order_id) AS document_id, kind = 'return' AS is_return, file_no, rank,
    is_whole OR kind = 'deleted' AS is_whole,
    CASE WHEN document_id IS NOT NULL THEN '' WHEN kind = 'return' THEN concat_ws('|', product_id, day, amount)
      ELSE coalesce(product_id, '') END AS part
  FROM lines JOIN ranked USING (export, file_no)
  WHERE order_id IS NOT NULL AND updated_at IS NULL AND kind NOT IN ('repeated_header', 'broken');
CREATE TABLE replaced AS
  SELECT DISTINCT old.export, old.document_id, old.is_return, old.file_no
  FROM parts AS old JOIN parts AS new USING (export, document_id, is_return, part) WHERE new.rank > old.rank
  UNION
  SELECT old.export, old.document_id, old.is_return, old.file_no
  FROM parts AS old JOIN (
    SELECT export, document_id, max(rank) AS rank FROM parts WHERE is_whole GROUP BY ALL
  ) AS new USING (export, document_id) WHERE new.rank > old.rank;
UPDATE lines SET kind = 'superseded' FROM replaced
  WHERE lines.export = replaced.export AND coalesce(lines.document_id, lines.order_id) = replaced.document_id
    AND lines.file_no = replaced.file_no
    AND (kind = 'return') = is_return;
"""
"""If the records say when the order was changed, its newest version replaces all older ones. A file may have several
versions: a product at another time. Otherwise an order that two files have with the same product, or a return that two
files have, is taken from the newer file. The newer one is that of the later day in its path, or of the later fetch from
a database; without these, the file whose sales reach further (single days far off do not count), or that was changed
later. If an order's files share no product, each has a part of the order; but a fetch from a database brings an order
whole, and a record that says that the order was deleted removes all of it. Where records name a document, that is taken
from the newer file, and not the order.
"""

KNOWN = """
CREATE TABLE known AS
  WITH of_orders AS (
    SELECT email, min(customer_id) AS customer_id FROM lines WHERE email <> customer_id
    GROUP BY email HAVING count(DISTINCT customer_id) = 1),
  of_customers AS (
    SELECT email, min(customer_id) AS customer_id FROM customers WHERE kind = 'customer' AND email IS NOT NULL
    GROUP BY email HAVING count(DISTINCT customer_id) = 1)
  SELECT email, coalesce(of_customers.customer_id, of_orders.customer_id) AS customer_id
  FROM of_customers FULL JOIN of_orders USING (email);
UPDATE lines SET customer_id = known.customer_id FROM known WHERE lines.email = known.email;
UPDATE tickets SET customer_id = known.customer_id FROM known WHERE tickets.customer_id = known.email;
UPDATE sessions SET customer_id = known.customer_id FROM known WHERE sessions.customer_id = known.email;
"""
"""An email address is the customer with whose id alone the customers' export has it, or else the orders."""

DISCOUNTS = """
CREATE TABLE totals AS
  SELECT export, order_id, any_value(customer_id) AS customer_id, min(day) AS day, sum(round(amount, 2)) AS goods,
    max(order_discount) AS discount
  FROM lines WHERE kind = 'sale' GROUP BY ALL;
CREATE TABLE given AS
  SELECT export, order_id, max(customer_id) AS customer_id, min(day) AS day, -sum(round(amount, 2)) AS discount
  FROM lines WHERE kind = 'discount' GROUP BY ALL;
CREATE TABLE taken AS
  WITH all_of_them AS (
    SELECT export, order_id, discount FROM totals WHERE discount <> 0
    UNION ALL SELECT given.export, given.order_id, given.discount FROM given JOIN totals USING (export, order_id)
    UNION ALL
    SELECT given.export, arg_max(totals.order_id, (totals.day, totals.order_id)), given.discount
    FROM given JOIN totals ON totals.export = given.export AND totals.customer_id = given.customer_id
      AND totals.day <= given.day AND totals.goods >= given.discount
    WHERE (given.export, given.order_id) NOT IN (SELECT export, order_id FROM totals)
    GROUP BY given.export, given.order_id, given.discount)
  SELECT export, order_id, sum(discount) AS discount FROM all_of_them GROUP BY ALL;
CREATE TABLE shares AS
  WITH goods AS (
    SELECT export, order_id, file_no, line, number, discount, sum(round(amount, 2)) OVER whole AS total,
      sum(round(amount, 2)) OVER (whole ORDER BY file_no, line, number) AS reached, round(amount, 2) AS amount
    FROM lines JOIN taken USING (export, order_id) WHERE kind = 'sale'
    WINDOW whole AS (PARTITION BY export, order_id))
  SELECT export, file_no, line, number,
    round(least(discount, total) * reached / total, 2) - round(least(discount, total) * (reached - amount) / total, 2)
      AS part
  FROM goods WHERE total > 0;
UPDATE lines SET amount = lines.amount - part FROM shares
  WHERE lines.export = shares.export AND lines.file_no = shares.file_no AND lines.line = shares.line
    AND lines.number = shares.number;
"""
"""A discount of the order, or that is a record of the order, is taken off the order's lines, in proportion, to the
cent, and at most what they cost. One without an order of goods is taken off the latest order of the customer that costs
as much.
"""

RETURNED = """
CREATE TABLE whole AS
  SELECT export, order_id FROM lines WHERE kind = 'sale' GROUP BY ALL HAVING bool_and(is_refunded);
UPDATE lines SET refunded = amount
  WHERE kind = 'sale' AND is_refunded AND refunded IS NULL AND order_refunded IS NULL
    AND (export, order_id) NOT IN (FROM whole);
CREATE TABLE paid AS
  SELECT export, order_id, any_value(customer_id) AS customer_id, sum(round(amount, 2)) AS goods,
    coalesce(sum(refunded), 0) AS refunded_lines, max(order_charged) AS charged,
    coalesce(max(order_refunded),
      CASE WHEN bool_and(is_refunded) THEN coalesce(max(order_charged), sum(round(amount, 2))) END) AS refunded,
    coalesce(bool_or(is_refund_unknown), false) AND max(order_refunded) IS NULL AND count(refunded) = 0
      AS is_refund_unknown,
    coalesce(max(refund_day), min(day)) AS day, arg_min(file_no, (file_no, line, number)) AS file_no,
    arg_min(line, (file_no, line, number)) AS line, min(currency) AS currency
  FROM lines WHERE kind = 'sale' GROUP BY ALL;
CREATE TABLE given_back AS
  SELECT export, file_no, line, number, order_id, customer_id, product_id, abs(quantity) AS quantity,
    abs(amount) AS amount, nullif(refunded, 0) AS refunded, currency, date_text, day
  FROM lines WHERE kind = 'return'
  UNION ALL
  SELECT export, file_no, line, number, order_id, customer_id, product_id, NULL, least(refunded, amount), refunded,
    currency, date_text, day
  FROM lines WHERE kind = 'sale' AND refunded > 0
  UNION ALL
  SELECT export, file_no, line, 0, order_id, customer_id, NULL, NULL,
    CASE WHEN refunded >= charged THEN goods ELSE least(refunded, goods) END - refunded_lines,
    refunded - refunded_lines, currency, day::TEXT, day
  FROM paid WHERE refunded > refunded_lines AND NOT is_refund_unknown
  UNION ALL
  SELECT export, file_no, line, 0, order_id, customer_id, NULL, NULL, NULL, NULL, currency, day::TEXT, day
  FROM paid WHERE is_refund_unknown;
"""
"""Returns: records of their own, whose amount is the goods part of what was given back; what a sale's record says was
given back for it; and what was given back for an order in all, whose goods part is all of its goods if all was paid
back, else at most what is left of them. If all records of an order say that they were given back, all of it was; else
those lines were. If an order was refunded and the export does not say how much, it has a return
without an amount.
"""

FITTING = """
CREATE TABLE fitting AS
  WITH sales AS (
    SELECT export, order_id, customer_id, product_id, day AS sold_day, quantity AS sold,
      {file_no: file_no, line: line, number: number} AS sale
    FROM lines WHERE kind = 'sale'),
  credits AS (
    SELECT export, order_id, customer_id, product_id, day, quantity AS units,
      {file_no: file_no, line: line, number: number} AS credit
    FROM given_back WHERE quantity > 0)
  SELECT export, credit, sale, day, units, sold_day, sold, true AS is_same_order
  FROM credits JOIN sales USING (export, order_id, product_id) WHERE sold_day <= day
  UNION ALL
  SELECT export, credit, sale, day, units, sold_day, sold, false
  FROM credits JOIN sales USING (export, customer_id, product_id) WHERE sold_day <= day;
CREATE TABLE linked (export INT, credit STRUCT(file_no INT, line BIGINT, number BIGINT),
  sale STRUCT(file_no INT, line BIGINT, number BIGINT), units DECIMAL(24, 6));
"""
LINK = """
INSERT INTO linked
  WITH used AS (SELECT export, sale, sum(units) AS units FROM linked GROUP BY ALL),
  latest AS (
    SELECT fitting.* FROM fitting LEFT JOIN used USING (export, sale)
    WHERE fitting.units <= sold - coalesce(used.units, 0)
      AND (export, credit) NOT IN (SELECT (export, credit) FROM linked)
    QUALIFY row_number() OVER (PARTITION BY export, credit ORDER BY is_same_order DESC, sold_day DESC, sale DESC) = 1)
  SELECT export, credit, sale, units FROM latest
  QUALIFY row_number() OVER (PARTITION BY export, sale ORDER BY day, credit) = 1
"""


def link_returns(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``linked``: the order line that a return undoes.

    That is a line of the same order, else the latest one of the customer, with the same product, not later than the
    return, and with enough units that no other return has undone.
    """
    connection.execute(FITTING)
    while connection.execute(LINK).fetchall()[0][0]:
        pass


CHARGED = """
CREATE TABLE charged_lines AS
  SELECT lines.export, file_no, line, number,
    (CASE WHEN goods > 0 THEN round(charged * sum(round(amount, 2)) OVER so_far / goods, 2)
        - round(charged * (sum(round(amount, 2)) OVER so_far - round(amount, 2)) / goods, 2)
      WHEN row_number() OVER so_far = 1 THEN charged ELSE 0 END)::DECIMAL(24, 6) AS charged
  FROM lines JOIN (SELECT export, order_id, goods, charged FROM paid) USING (export, order_id) WHERE kind = 'sale'
  WINDOW so_far AS (PARTITION BY export, order_id ORDER BY file_no, line, number);
"""
"""What the buyer paid for the order in all, for each line its share, to the cent."""


RECONCILED = """
CREATE TABLE reconciled AS
  SELECT *,
    (subtotal IS NULL OR abs(goods - subtotal) < 0.01 OR abs(goods + tax - subtotal) < 0.01)
    AND (charged IS NULL OR least(abs(goods + shipping - charged), abs(goods + shipping + tax - charged)) < 0.01)
      AS is_reconciled
  FROM (
    SELECT export, order_id, sum(round(amount, 2)) AS goods, max(subtotal) AS subtotal,
      CASE WHEN count(shipping) + count(tax) > 0 THEN max(order_charged) END AS charged,
      coalesce(max(shipping), 0) AS shipping, coalesce(max(tax), 0) AS tax
    FROM lines WHERE kind = 'sale' GROUP BY ALL)
  WHERE subtotal IS NOT NULL OR charged IS NOT NULL;
"""
"""The arithmetic of each order: its lines are its subtotal, with shipping, and tax if it is apart, what was paid. An
export without shipping and tax does not say what else was paid for.
"""

STEPS = (NEWEST, KNOWN, DISCOUNTS, RETURNED, CHARGED, RECONCILED)
"""What happens to the lines, in this order."""

SOLD = """(
  FROM lines LEFT JOIN charged_lines USING (export, file_no, line, number) WHERE kind IN ('sale', 'unreadable'))
"""
SIGNS = frozenset({"$", "kr"})
"""Signs that several currencies have."""

DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD"})


def convert_currencies(connection: duckdb.DuckDBPyConnection, sources: Sources, data_dir: Path) -> None:
    """Make ``sold`` and ``returned``: what lands, with amounts in the currency of the figures.

    With one currency in the exports, that is the one of all records, also of those that do not name it. With several,
    an amount without a rate is empty, ``original_amount`` has what the export says, and what was paid and refunded in
    all is in that currency.

    Raises:
        PlatformError: the rates cannot be read.

    """
    connection.execute(f"CREATE TABLE rates (since DATE, code TEXT, rate {RATE})")
    if sources.rates and (rates := read_rates(data_dir / sources.rates)):
        connection.executemany("INSERT INTO rates VALUES (?, ?, ?)", rates)
    codes = _codes(connection)
    if "$" in codes and len(found := codes & DOLLARS) == 1:
        _name(connection, found.pop(), "currency = '$'")
        codes -= {"$"}
    code = next(iter(codes - SIGNS), sources.currency) if len(codes) <= 1 else None
    is_one = len(codes) <= 1 and (sources.currency or code) == code
    if is_one:
        _name(connection, code, "true")
    own = literal(sources.currency or code or "")
    signs = ", ".join(map(literal, sorted(SIGNS)))
    for made, money, found_in in (
        ("sold", "charged", SOLD),
        ("returned", "refunded", "given_back"),
    ):
        connection.execute(
            f"""
            CREATE TABLE {made} AS
            SELECT * EXCLUDE (since, code, rate, factor)
              REPLACE (converted(amount, factor) AS amount,
                CASE WHEN factor IS NULL THEN {money} ELSE converted({money}, factor) END AS {money},
                CASE WHEN currency NOT IN ({signs}) THEN currency END AS currency),
              CASE WHEN factor IS DISTINCT FROM 1 THEN amount END AS original_amount
            FROM (
              SELECT *, CASE WHEN {is_one} OR currency = {own} THEN 1 ELSE rate END AS factor
              FROM {found_in} AS found ASOF LEFT JOIN rates ON found.currency = rates.code AND found.day >= rates.since)
            """
        )


RATE_PLACES, MOST_RATE = 12, 10**8
RATE = f"DECIMAL(20, {RATE_PLACES})"
"""The type of rates: of up to 12 places, and less than 100 million."""

CONVERTED = f"""
CREATE MACRO converted(x, factor) AS
  try_cast(CASE WHEN factor = 1 THEN x ELSE round(try_cast(x AS DECIMAL(18, 6)) * factor::{RATE}, 2) END
           AS DECIMAL(24, 6));
"""
"""An amount times a rate, to the cent, half up. All digits of both count: the product has 38. An amount from a trillion
on is not converted, nor to one from a quintillion on; they are far above what any table takes.
"""


def _codes(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The currencies of what is sold and given back."""
    found = connection.execute(
        """
        SELECT currency FROM lines WHERE kind = 'sale' AND currency IS NOT NULL
        UNION SELECT currency FROM given_back WHERE currency IS NOT NULL
        """
    )
    return {code for (code,) in found.fetchall()}


def _name(connection: duckdb.DuckDBPyConnection, code: str | None, when: str) -> None:
    """Say that records are in a currency."""
    for table in ("lines", "given_back"):
        connection.execute(f"UPDATE {table} SET currency = $1 WHERE {when}", [code])


def read_rates(path: Path) -> list[tuple[date, str, Decimal]]:
    """The rates of a CSV file with the columns day, currency and rate.

    Raises:
        PlatformError: the file cannot be read, or amounts could not be converted exactly; the message names the line.

    """
    rates: list[tuple[date, str, Decimal]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                rate = Decimal(row["rate"])
                if not (0 < rate < MOST_RATE and round(rate, RATE_PLACES) == rate):
                    raise PlatformError(
                        f"{path}, line {len(rates) + 2}: the rate {row['rate']} is not above 0 and below "
                        f"{MOST_RATE:,} with at most {RATE_PLACES} decimal places, so amounts would not be exact; "
                        "correct it"
                    )
                rates.append((date.fromisoformat(row["day"]), row["currency"].upper(), rate))
    except (OSError, KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        raise PlatformError(
            f"{path}, line {len(rates) + 2}: {FILE} needs a CSV file with the columns day (2024-01-31), currency (USD) "
            f"and rate (0.92): {error!r}"
        ) from error
    return rates
