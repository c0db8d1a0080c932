"""What the records of exports are: order lines with their kind, amount, day and customer; customers; tickets; events
of the website.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import duckdb

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, FieldName, Layout
from cip_assets.sources.stage import USABLE, Records
from cip_assets.sources.values import NUMBERED
from cip_assets.storage.views import literal

TABLES = """
CREATE TABLE lines (
  export INT, file_no INT, line BIGINT, number BIGINT, record_text TEXT, order_id TEXT, customer_id TEXT, email TEXT,
  product_id TEXT, product_name TEXT, category TEXT, payment_method TEXT, quantity_text TEXT, quantity DECIMAL(24, 6),
  unit_price DECIMAL(24, 6), amount DECIMAL(24, 6), refunded DECIMAL(24, 6), currency TEXT, date_text TEXT, day DATE,
  updated_at TIMESTAMPTZ, document_id TEXT, record_number BIGINT, order_discount DECIMAL(24, 6),
  order_refunded DECIMAL(24, 6), refund_day DATE, is_refund_unknown BOOLEAN, is_refunded BOOLEAN,
  subtotal DECIMAL(24, 6), shipping DECIMAL(24, 6), tax DECIMAL(24, 6), order_charged DECIMAL(24, 6), kind TEXT);
CREATE TABLE customers (
  export INT, file_no INT, line BIGINT, number BIGINT, record_text TEXT, customer_id TEXT, email TEXT,
  first_name TEXT, last_name TEXT, region TEXT, kind TEXT);
CREATE TABLE tickets (
  export INT, file_no INT, line BIGINT, number BIGINT, record_text TEXT, ticket_id TEXT, customer_id TEXT,
  ticket_category TEXT, priority TEXT,
  status TEXT, date_text TEXT, opened DATE, resolved_text TEXT, resolved DATE,
  kind TEXT);
CREATE TABLE sessions (
  export INT, file_no INT, line BIGINT, number BIGINT, record_text TEXT, session_id TEXT, customer_id TEXT,
  activity TEXT, product_id TEXT, time_text TEXT, time TIMESTAMP, kind TEXT);
"""
"""``lines`` has each record with its kind, and each line of a file that gives no record."""

PEOPLE: Sequence[FieldName] = ("customer_id", "email")


class _Fields:
    """SQL for the fields of a layout's records."""

    def __init__(self, records: Records, nobody: Sequence[str]) -> None:
        self.layout = records.layout
        self._nobody = nobody
        # Names in SQL, and the files of one export, may differ in capital letters.
        made = {name.lower(): column for name, column in records.columns.items()}
        self._columns = {
            name: [
                records.columns.get(column) or made[column.lower()]
                for column in columns
                if column.lower() in made
            ]
            for name, columns in records.layout.fields.items()
        }
        for name, found in self._columns.items():
            if not found:
                raise PlatformError(
                    f"{FILE}: layout {self.layout.name}, field {name}: its records have no column "
                    f"{' or '.join(records.layout.fields[name])}, only {', '.join(records.columns)}; correct the field"
                )

    def read(self, relation: str, kept: Collection[str]) -> str:
        """SQL for a relation with the columns that the others are made of: those that are kept, the text of each field,
        and the people. Each is made once; a function makes its argument as often as it uses it.
        """
        used = dict.fromkeys([*kept, *(column for columns in self._columns.values() for column in columns)])
        texts = ", ".join(f"present({column}::TEXT) AS {column}" for column in used)
        nobody = f"[{', '.join(map(literal, self._nobody))}]::TEXT[]"
        read = [f"{_first(columns)} AS _text_{name}" for name, columns in self._columns.items()]
        read += [
            f"CASE WHEN NOT is_nobody({column}, {nobody}) THEN person_of({column}) END AS _person_{place}"
            for place, column in enumerate(self._people())
        ]
        return f"(SELECT *, {', '.join(read)} FROM (SELECT * REPLACE ({texts}) FROM {relation}))"

    def _people(self, names: Sequence[FieldName] = PEOPLE) -> Sequence[str]:
        """The columns that name somebody."""
        return [column for name in names for column in self._columns.get(name, [])]

    def has(self, name: FieldName) -> bool:
        return bool(self._columns.get(name))

    def text(self, name: FieldName) -> str:
        """The first text of the field's columns."""
        return f"_text_{name}" if self.has(name) else "NULL::TEXT"

    def id(self, name: FieldName) -> str:
        return f"id_of({self.text(name)})"

    def number(self, name: FieldName) -> str:
        if not self.has(name):
            return "NULL::DECIMAL(24, 6)"
        return f"number({self.text(name)}, '{self.layout.decimal}')"

    def size(self, name: FieldName) -> str:
        """An amount that exports write with or without a minus."""
        return f"abs({self.number(name)})"

    def day(self, name: FieldName) -> str:
        if not self.has(name):
            return "NULL::DATE"
        if self.layout.time_zone:
            return f"({self.time(name)})::DATE"
        return f"{self.layout.date_order}({self.text(name)})"

    def time(self, name: FieldName) -> str:
        """The time as the shop's clock showed it; midnight if the text is only a day."""
        zone = self.layout.time_zone
        written = self._written_time(name)
        return f"time_in_zone({self.text(name)}, {written}, {literal(zone)})" if zone else written

    def _written_time(self, name: FieldName) -> str:
        text, order = self.text(name), self.layout.date_order
        if order in NUMBERED:
            return f"{order}_time({text})"
        return f"{order}({text}) + to_seconds(seconds_of_day({text}))"

    def refund_day(self) -> str:
        """A day as exports write it, or as programs do."""
        is_there = self.has("refund_date")
        return (
            f"coalesce({self.day('refund_date')}, ymd({self.text('refund_date')}))"
            if is_there
            else "NULL::DATE"
        )

    def moment(self, name: FieldName) -> str:
        return (
            f"moment({self.text(name)}, {self._written_time(name)})"
            if self.has(name)
            else "NULL::TIMESTAMPTZ"
        )

    def customer(self) -> str:
        return _first(f"_person_{place}" for place, _ in enumerate(self._people(("customer_id",))))

    def email(self) -> str:
        """The first of the customer's texts that is an email address."""
        people = (f"_person_{place}" for place, _ in enumerate(self._people()))
        return _first(f"CASE WHEN contains({person}, '@') THEN {person} END" for person in people)

    def currency(self) -> str:
        """The currency's code: from its own column, else from the sign in the amount, else that of the layout."""
        amount = self.text("line_total" if self.has("line_total") else "unit_price")
        own = literal(self.layout.currency) if self.layout.currency else "NULL"
        code = f"currency(upper({self.text('currency')}))" if self.has("currency") else "NULL"
        return f"coalesce({code}, currency({amount}), {own})"


def _nobody(connection: duckdb.DuckDBPyConnection, layout: Layout) -> Sequence[str]:
    """The words of the texts that are no customer. In the query of the records, each record would make them again."""
    found = connection.execute(
        "SELECT words(name) FROM (SELECT unnest(?::TEXT[]) AS name)", [list(layout.no_customer)]
    )
    return [words for (words,) in found.fetchall() if words]


def _first(found: Iterable[str]) -> str:
    """SQL for the first text that is there."""
    return f"coalesce({', '.join([*found, 'NULL'])})::TEXT"


def add(connection: duckdb.DuckDBPyConnection, export: int, records: Records) -> None:
    """Add the records of a layout to the table of what they are.

    Raises:
        PlatformError: the SQL of a kind is wrong, or the records have no column of a field.

    """
    fields = _Fields(records, _nobody(connection, records.layout))
    make = {"orders": _order_lines, "customers": _customers, "tickets": _tickets, "sessions": _sessions}[
        records.layout.table
    ]
    try:
        connection.execute(make(fields, records, export))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise PlatformError(
            f"{FILE}: exports.{export}, layout {records.layout.name}: its kinds are no valid SQL: {reason}"
        ) from error


def add_rest(
    connection: duckdb.DuckDBPyConnection,
    export: int,
    table: str,
    layout: Layout,
    made: Sequence[str],
    *,
    is_joined: bool,
) -> None:
    """Add the lines of a file that gave no record: broken ones, headers, and those that SQL left out or joined."""
    found = " UNION ALL ".join(f"SELECT file_no, line FROM {name}" for name in made)
    kind = "'joined'" if is_joined else "'not_used'"
    is_used = f"(file_no, line) IN ({found})" if made else "false"
    is_note = f"regexp_matches(record_text, {literal(layout.notes)})" if layout.notes else "false"
    connection.execute(
        f"""
        INSERT INTO lines BY NAME
        SELECT {export} AS export, file_no, line, record_text,
          CASE WHEN problem = 'repeated_header' THEN problem WHEN {USABLE} THEN {kind} WHEN {is_note} THEN 'summary'
            ELSE 'broken' END AS kind
        FROM {table} WHERE NOT ({USABLE}) OR NOT ({is_used})
        """
    )


def _rules(records: Records) -> str:
    return "".join(f" WHEN {rule.when} THEN '{rule.kind}'" for rule in records.layout.kinds)


def _texts(fields: _Fields, records: Records, columns: str) -> str:
    """SQL for records with the text of the line that each is from, and the columns that rules read by name."""
    named = _named(records)
    names, values = ", ".join(map(literal, named)), ", ".join(named.values())
    record = f"MAP([{names}]::TEXT[], [{values}]::TEXT[])"
    read = fields.read(records.relation, named.values())
    if records.relation in records.staged:
        return f"""
          SELECT {columns}, {record} AS record, line AS number, record_text, problem FROM {read} WHERE {USABLE}
        """
    staged = " UNION ALL ".join(
        f"SELECT file_no, line, record_text, problem FROM {table}" for table in records.staged
    )
    return f"""
      SELECT {columns}, {record} AS record, row_number() OVER () AS number, record_text, problem
      FROM {read} LEFT JOIN ({staged}) USING (file_no, line)
    """


def _named(records: Records) -> Mapping[str, str]:
    """The columns that rules read as ``record['X']``; all, if one reads the record in another way."""
    rules = _rules(records)
    if re.search(r"\brecord\b(?!\s*\[\s*'(?:[^']|'')*'\s*\])", rules, re.IGNORECASE):
        return records.columns
    return {name: column for name, column in records.columns.items() if literal(name) in rules}


def _order_lines(fields: _Fields, records: Records, export: int) -> str:
    quantity = fields.number("quantity") if fields.has("quantity") else "1::DECIMAL(24, 6)"
    gross = "line_total" if fields.has("line_total") else "quantity * unit_price"
    parts: dict[FieldName, str] = {"discount_percent": "0.01", "discount_share": "1"}
    share = "".join(
        f" - {gross} * coalesce({name}, 0) * {factor}" for name, factor in parts.items() if fields.has(name)
    )
    amount = f"try(({gross} - sign({gross}) * coalesce(discount, 0){share})::DECIMAL(24, 6))"
    columns = f"""
      file_no, line, {fields.id("order_id")} AS order_id, {fields.customer()} AS customer_id,
      {fields.email()} AS email, {fields.id("product_id")} AS product_id,
      {fields.text("product_name")} AS product_name, {fields.text("category")} AS category,
      {fields.text("payment_method")} AS payment_method, {fields.text("quantity")} AS quantity_text,
      {quantity} AS quantity, {fields.number("unit_price")} AS unit_price, {fields.number("line_total")} AS line_total,
      {fields.size("discount")} AS discount, {fields.size("discount_percent")} AS discount_percent,
      {fields.size("discount_share")} AS discount_share, {fields.size("returned_quantity")} AS returned_quantity,
      {fields.size("refunded")} AS refunded, {fields.currency()} AS currency,
      {fields.text("date")} AS date_text, {fields.day("date")} AS day,
      {fields.moment("updated_at")} AS updated_at, {fields.id("document_id")} AS document_id,
      {"_record" if records.has_orders else "NULL::BIGINT"} AS record_number,
      {fields.size("order_discount")} AS order_discount, {fields.size("order_refunded")} AS order_refunded,
      {fields.refund_day()} AS refund_day,
      {fields.text("order_refunded")} IS NOT NULL AND {fields.number("order_refunded")} IS NULL AS is_refund_unknown,
      {fields.number("subtotal")} AS subtotal, {fields.number("shipping")} AS shipping, {fields.number("tax")} AS tax,
      {fields.number("charged")} AS order_charged
    """
    rule = f"CASE {_rules(records)} END" if records.layout.kinds else "NULL"
    return f"""
    INSERT INTO lines BY NAME
    WITH texts AS ({_texts(fields, records, columns)}),
    measured AS (SELECT *, {amount} AS amount FROM texts),
    found AS (SELECT *, {rule} AS found FROM measured)
    SELECT {export} AS export,
      * EXCLUDE (record, line_total, discount, discount_percent, discount_share, returned_quantity, problem, found)
        REPLACE (
          coalesce(is_refund_unknown OR found = 'partly_refunded', false) AS is_refund_unknown,
          coalesce(refunded, CASE
            WHEN returned_quantity < quantity THEN (amount * (returned_quantity / quantity))::DECIMAL(24, 6)
            WHEN returned_quantity > 0 THEN amount END) AS refunded),
      CASE
        WHEN problem IS NOT NULL AND (quantity IS NULL OR amount IS NULL OR day IS NULL) THEN 'broken'
        WHEN found NOT IN ('refunded', 'partly_refunded') THEN found
        WHEN order_id IS NULL OR day IS NULL OR quantity IS NULL OR amount IS NULL THEN 'unreadable'
        WHEN quantity < 0 OR amount < 0 THEN 'return'
        WHEN quantity = 0 AND amount = 0 THEN 'nothing'
        ELSE 'sale'
      END AS kind,
      coalesce(found = 'refunded', false) AS is_refunded
    FROM found
    """


def _customers(fields: _Fields, records: Records, export: int) -> str:
    columns = f"""
      file_no, line, {fields.customer()} AS customer_id, {fields.email()} AS email,
      {fields.text("first_name")} AS first_name, {fields.text("last_name")} AS last_name,
      {fields.text("region")} AS region
    """
    return _others("customers", "customer", "customer_id", columns, fields, records, export)


def _tickets(fields: _Fields, records: Records, export: int) -> str:
    columns = f"""
      file_no, line, {fields.id("ticket_id")} AS ticket_id, {fields.customer()} AS customer_id,
      {fields.text("ticket_category")} AS ticket_category, {fields.text("priority")} AS priority,
      {fields.text("status")} AS status, {fields.text("date")} AS date_text, {fields.day("date")} AS opened,
      {fields.text("resolved")} AS resolved_text, {fields.day("resolved")} AS resolved
    """
    return _others("tickets", "ticket", "ticket_id", columns, fields, records, export)


def _sessions(fields: _Fields, records: Records, export: int) -> str:
    columns = f"""
      file_no, line, {fields.id("session_id")} AS session_id, {fields.customer()} AS customer_id,
      {fields.text("activity")} AS activity, {fields.id("product_id")} AS product_id,
      {fields.text("date")} AS time_text, {fields.time("date")} AS time
    """
    return _others("sessions", "session", "customer_id", columns, fields, records, export)


def _others(
    table: str, kind: str, key: str, columns: str, fields: _Fields, records: Records, export: int
) -> str:
    """SQL that adds records which are no order lines."""
    return f"""
    INSERT INTO {table} BY NAME
    SELECT {export} AS export, * EXCLUDE (record, problem),
      CASE{_rules(records) or " WHEN false THEN NULL"} WHEN {key} IS NULL THEN 'unidentified' ELSE '{kind}' END AS kind
    FROM ({_texts(fields, records, columns)});
    INSERT INTO lines BY NAME
    SELECT export, file_no, line, number, record_text, kind FROM {table} WHERE export = {export}
      AND (file_no, line) NOT IN (SELECT file_no, line FROM lines WHERE export = {export})
    """
