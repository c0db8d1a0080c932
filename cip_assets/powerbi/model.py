"""The semantic model: a table on each exported file, a calendar, relationships, and the measures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent

from cip_assets.contracts import contract_of
from cip_assets.contracts.exports import EXPORTS, Export, RetentionExport
from cip_assets.powerbi.measures import MEASURES

CALENDAR = "Calendar"
TYPES: Mapping[str, tuple[str, str]] = {
    "string": ("string", "type text"),
    "int": ("int64", "Int64.Type"),
    "bigint": ("int64", "Int64.Type"),
    "boolean": ("boolean", "type logical"),
    "date": ("dateTime", "type date"),
    "decimal(18,2)": ("decimal", "Currency.Type"),
    "decimal(18,6)": ("double", "type number"),
}
"""For the type of a contract's column: the one in the model, and the one that Power Query reads it as."""


@dataclass(frozen=True)
class Column:
    """A column of a table of the model; ``type`` is that of the contract, and a month is its first day."""

    name: str
    type: str
    description: str
    is_month: bool = False


@dataclass(frozen=True)
class Relationship:
    """Many rows of one table belong to one of another."""

    table: str
    column: str
    to_table: str
    to_column: str

    @property
    def name(self) -> str:
        return f"{self.table}_{self.column}"


TABLES: Sequence[Export] = tuple(e for e in EXPORTS if e.mart != "customer_360" or e.name == e.mart)
"""The files of the model; the other files of customer_360 hold nothing that it does not have."""


def columns_of(export: Export) -> Sequence[Column]:
    """The columns of a file's table, as its contract has them."""
    mart = contract_of("marts", export.mart)

    def column(name: str, *, is_month: bool = False) -> Column:
        return Column(
            name,
            mart.spark_schema[name].dataType.simpleString(),
            mart.columns[name].description or "",
            is_month,
        )

    found = [
        column(expression.rpartition(" AS ")[2], is_month=" AS " in expression)
        for expression in export.columns
    ]
    if isinstance(export, RetentionExport):
        found += [column("month_number"), column("retention_rate")]
    return found


def relationships() -> Sequence[Relationship]:
    """Months belong to the calendar, and rows of a customer to the customer."""
    found = []
    for export in TABLES:
        for column in columns_of(export):
            if column.is_month:
                found.append(Relationship(export.name, column.name, CALENDAR, "Date"))
            elif column.name == "customer_id" and export.name != "customer_360":
                found.append(Relationship(export.name, "customer_id", "customer_360", "customer_id"))
    return found


def model_files() -> Mapping[str, str]:
    """The files of the model's definition, by path."""
    names = [CALENDAR, *(export.name for export in TABLES)]
    model = [
        "model Model",
        "\tculture: en-US",
        "\tdefaultPowerBIDataSourceVersion: powerBI_V3",
        "\tdiscourageImplicitMeasures",
        "",
        *(f"ref table {name}" for name in names),
        "",
    ]
    folder = (
        '/// The folder of the exported files; set it to yours.\nexpression Folder = "C:\\cip\\data\\final" meta '
        '[IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]\n'
    )
    files = {
        "database.tmdl": "database CustomerIntelligence\n\tcompatibilityLevel: 1567\n",
        "model.tmdl": "\n".join(model),
        "expressions.tmdl": folder,
        "relationships.tmdl": "\n".join(_relationship(found) for found in relationships()),
        f"tables/{CALENDAR}.tmdl": "\n".join(_calendar()),
    }
    return files | {f"tables/{export.name}.tmdl": "\n".join(_table(export)) for export in TABLES}


def _relationship(found: Relationship) -> str:
    return (
        f"relationship {found.name}\n\tfromColumn: {found.table}.{found.column}\n"
        f"\ttoColumn: {found.to_table}.{found.to_column}\n"
    )


def _table(export: Export) -> Iterator[str]:
    yield f"/// {export.description}"
    yield f"table {export.name}"
    yield ""
    for measure in MEASURES:
        if measure.table == export.name:
            yield f"\t/// {measure.description}"
            yield f"\tmeasure '{measure.name}' = {measure.dax}"
            yield f"\t\tformatString: {measure.form}"
            yield ""
    for column in columns_of(export):
        yield from _column(column)
    yield from _partition(export.name, list(_steps(export)))


def _column(column: Column, *, is_key: bool = False) -> Iterator[str]:
    yield f"\t/// {column.description}"
    yield f"\tcolumn {column.name}"
    yield f"\t\tdataType: {TYPES[column.type][0]}"
    if is_key:
        yield "\t\tisKey"
    if column.type == "date":
        yield "\t\tformatString: yyyy-mm-dd"
    yield "\t\tsummarizeBy: none"
    yield f"\t\tsourceColumn: {column.name}"
    yield ""


def _steps(export: Export) -> Iterator[tuple[str, str]]:
    """Power Query: the file, an empty field as nothing, a month as its first day, and the types of the contract."""
    columns = columns_of(export)
    file = f'File.Contents(Folder & "\\{export.name}.csv")'
    form = '[Delimiter = ",", Encoding = 65001, QuoteStyle = QuoteStyle.Csv]'
    yield "Source", f"Csv.Document({file}, {form})"
    yield "Named", "Table.PromoteHeaders(Source, [PromoteAllScalars = true])"
    last = "Emptied"
    yield last, 'Table.ReplaceValue(Named, "", null, Replacer.ReplaceValue, Table.ColumnNames(Named))'
    if isinstance(export, RetentionExport):
        kept = ", ".join(f'"{expression.rpartition(" AS ")[2]}"' for expression in export.columns)
        yield "Long", f'Table.UnpivotOtherColumns({last}, {{{kept}}}, "month_number", "retention_rate")'
        last = "Numbered"
        yield (
            last,
            'Table.TransformColumns(Long, {{"month_number", each Text.AfterDelimiter(_, "_"), type text}})',
        )
    first_day = 'each if _ = null then null else _ & "-01", type text'
    if months := [f'{{"{column.name}", {first_day}}}' for column in columns if column.is_month]:
        yield "Dated", f"Table.TransformColumns({last}, {{{', '.join(months)}}})"
        last = "Dated"
    types = ", ".join(f'{{"{column.name}", {TYPES[column.type][1]}}}' for column in columns)
    yield "Typed", f'Table.TransformColumnTypes({last}, {{{types}}}, "en-US")'


CALENDAR_COLUMNS = (
    Column("Date", "date", "Day"),
    Column("Year", "int", "Year of the day"),
    Column("Month", "date", "First day of the day's month"),
)


def _calendar() -> Iterator[str]:
    """Every day of the months with figures; a date table of its own, so that each month is there once."""
    yield "/// Every day from the first month with a purchase to the last"
    yield f"table {CALENDAR}"
    yield "\tdataCategory: Time"
    yield ""
    for column in CALENDAR_COLUMNS:
        yield from _column(column, is_key=column.name == "Date")
    yield from _partition(
        CALENDAR,
        [
            ("First", "List.Min(kpi_monthly_revenue[month])"),
            ("Last", "Date.EndOfMonth(List.Max(kpi_monthly_revenue[month]))"),
            ("Days", "List.Dates(First, Duration.Days(Last - First) + 1, #duration(1, 0, 0, 0))"),
            ("Listed", 'Table.FromList(Days, Splitter.SplitByNothing(), {"Date"})'),
            ("Dated", 'Table.TransformColumnTypes(Listed, {{"Date", type date}})'),
            ("WithYear", 'Table.AddColumn(Dated, "Year", each Date.Year([Date]), Int64.Type)'),
            ("WithMonth", 'Table.AddColumn(WithYear, "Month", each Date.StartOfMonth([Date]), type date)'),
        ],
    )


def _partition(table: str, steps: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The table's rows by Power Query, each step from the one before."""
    lines = ",\n".join(f"    {name} = {step}" for name, step in steps)
    yield f"\tpartition {table} = m"
    yield "\t\tmode: import"
    yield "\t\tsource ="
    yield indent(f"let\n{lines}\nin\n    {steps[-1][0]}", "\t\t\t\t")
    yield ""
