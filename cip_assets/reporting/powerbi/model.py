"""The semantic model: a table on each exported file, a calendar, relationships, and the measures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent

from cip_assets.config.rules import Rules
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.layers import CSV_FILES
from cip_assets.reporting.dashboard.facts import CHURN_STEP, CLV_LAST, CLV_STEP
from cip_assets.reporting.powerbi.measures import MEASURES

CALENDAR = "Calendar"
TYPES: Mapping[str, tuple[str, str, str | None]] = {
    "string": ("string", "type text", None),
    "int": ("int64", "Int64.Type", "0"),
    "bigint": ("int64", "Int64.Type", "#,0"),
    "boolean": ("boolean", "type logical", None),
    "date": ("dateTime", "type date", "yyyy-mm-dd"),
    "decimal(18,2)": ("decimal", "Currency.Type", "#,0.00"),
    "decimal(18,6)": ("double", "type number", "0.000"),
}
"""For each type of a contract's column: its type in the model, its type in Power Query, and its format."""

FOLDER_PARAMETER = (
    "/// The folder of the exported files on your computer\n"
    'expression Folder = "C:\\final" meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]\n'
    "\n\tannotation PBI_ResultType = Text\n"
)

MONTH = "yyyy-mm"
AS_WRITTEN = '[Delimiter = ",", Encoding = 65001, QuoteStyle = QuoteStyle.Csv]'


@dataclass(frozen=True)
class Column:
    """A column of a table of the model; ``type`` is that of the contract, and a month is its first day.

    A column with ``dax`` is not in the file but computed from it.
    """

    name: str
    type: str
    description: str
    is_month: bool = False
    dax: str | None = None


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


TABLES: Sequence[CsvFile] = tuple(
    file for file in CSV_FILES if file.mart.table != "customer_360" or file.name == file.mart.table
)
"""The files of the model; the other files of customer_360 have only columns that it has too."""

CLASSES: Sequence[Column] = (
    Column(
        "churn_from",
        "int",
        f"Lower end of a churn probability in steps of {CHURN_STEP}%",
        dax="IF ( NOT ISBLANK ( customer_360[churn_probability] ), "
        f"{CHURN_STEP} * MIN ( INT ( customer_360[churn_probability] * {100 // CHURN_STEP} ), "
        f"{100 // CHURN_STEP - 1} ) )",
    ),
    Column(
        "clv_from",
        "int",
        f"Lower end of a 12-month CLV in steps of {CLV_STEP}; {CLV_LAST:,} stands for {CLV_LAST:,} and more",
        dax="IF ( NOT ISBLANK ( customer_360[clv_12m] ), "
        f"{CLV_STEP} * MIN ( INT ( customer_360[clv_12m] / {CLV_STEP} ), {CLV_LAST // CLV_STEP} ) )",
    ),
)
"""Columns of customer_360 that the histograms are drawn by, in the classes of the dashboard."""


def columns_of(export: CsvFile) -> Sequence[Column]:
    """The columns of a file's table, from its contract."""
    mart = export.mart

    def column(name: str, *, is_month: bool = False) -> Column:
        return Column(
            name,
            mart.spark_schema[name].dataType.simpleString(),
            mart.columns[name].description or "",
            is_month,
        )

    found = [column(name, is_month=name in export.months) for name in export.columns]
    if export.spread:
        found += [column(export.spread.by), column(export.spread.value)]
    if export.name == "customer_360":
        found += CLASSES
    return found


def relationships() -> Sequence[Relationship]:
    """Months are related to the calendar, and rows with a customer to customer_360."""
    found = []
    for export in TABLES:
        for column in columns_of(export):
            if column.is_month:
                found.append(Relationship(export.name, column.name, CALENDAR, "Date"))
            elif column.name == "customer_id" and export.name != "customer_360":
                found.append(Relationship(export.name, "customer_id", "customer_360", "customer_id"))
    return found


def model_files(rules: Rules) -> Mapping[str, str]:
    """The files of the model's definition, by path; the descriptions name the windows of the rules."""
    files = {
        "database.tmdl": "database CustomerIntelligence\n\tcompatibilityLevel: 1567\n",
        "model.tmdl": _model(),
        "expressions.tmdl": FOLDER_PARAMETER,
        "relationships.tmdl": "\n".join(_relationship(found) for found in relationships()),
        f"tables/{CALENDAR}.tmdl": _lines(_calendar()),
    }
    return files | {f"tables/{export.name}.tmdl": _lines(_table(export, rules)) for export in TABLES}


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _model() -> str:
    tables = "\n".join(f"ref table {name}" for name in [CALENDAR, *(export.name for export in TABLES)])
    # Without the annotation, Power BI would add a hidden calendar for every date column.
    return (
        "model Model\n\tculture: en-US\n\tdefaultPowerBIDataSourceVersion: powerBI_V3\n"
        "\tdiscourageImplicitMeasures\n\tsourceQueryCulture: en-US\n\n"
        f"annotation __PBI_TimeIntelligenceEnabled = 0\n\n{tables}\n"
    )


def _relationship(found: Relationship) -> str:
    return (
        f"relationship {found.name}\n\tfromColumn: {found.table}.{found.column}\n"
        f"\ttoColumn: {found.to_table}.{found.to_column}\n"
    )


def _table(export: CsvFile, rules: Rules) -> Iterator[str]:
    yield f"/// {export.description}"
    yield f"table {export.name}"
    yield ""
    for measure in MEASURES:
        if measure.table == export.name:
            yield f"\t/// {measure.description.format(rules=rules)}"
            yield f"\tmeasure '{measure.name}' = {measure.dax}"
            yield f"\t\tformatString: {measure.form}"
            yield ""
    for column in columns_of(export):
        yield from _column(column)
    yield f"\tpartition {export.name} = m"
    yield "\t\tmode: import"
    yield "\t\tsource ="
    yield indent(_query(export), "\t\t\t\t")


def _column(column: Column) -> Iterator[str]:
    data_type, _, form = TYPES[column.type]
    yield f"\t/// {column.description}"
    yield f"\tcolumn {column.name}" + (f" = {column.dax}" if column.dax else "")
    yield f"\t\tdataType: {data_type}"
    if form:
        yield f"\t\tformatString: {MONTH if column.is_month else form}"
    yield "\t\tsummarizeBy: none"
    if not column.dax:
        yield f"\t\tsourceColumn: {column.name}"
    yield ""


def _query(export: CsvFile) -> str:
    """Power Query: read the file, an empty field as null, a month as its first day, and the types of the contract."""
    columns = [column for column in columns_of(export) if not column.dax]
    steps = [
        (
            "Source",
            f'Csv.Document(File.Contents(Folder & "\\{export.name}.csv"), {AS_WRITTEN})',
        ),
        ("Named", "Table.PromoteHeaders(Source, [PromoteAllScalars = true])"),
        ("Emptied", 'Table.ReplaceValue(Named, "", null, Replacer.ReplaceValue, Table.ColumnNames(Named))'),
    ]
    if export.spread:
        kept = ", ".join(f'"{name}"' for name in export.columns)
        steps += [
            # Incomplete months are null and drop out.
            ("Long", f'Table.UnpivotOtherColumns(Emptied, {{{kept}}}, "month_number", "retention_rate")'),
            (
                "Numbered",
                'Table.TransformColumns(Long, {{"month_number", each Text.AfterDelimiter(_, "_"), type text}})',
            ),
        ]
    months = ", ".join(
        f'{{"{column.name}", each if _ = null then null else _ & "-01", type text}}'
        for column in columns
        if column.is_month
    )
    if months:
        steps.append(("Dated", f"Table.TransformColumns({steps[-1][0]}, {{{months}}})"))
    types = ", ".join(f'{{"{column.name}", {TYPES[column.type][1]}}}' for column in columns)
    steps.append(("Typed", f'Table.TransformColumnTypes({steps[-1][0]}, {{{types}}}, "en-US")'))
    lines = ",\n".join(f"    {name} = {step}" for name, step in steps)
    return f"let\n{lines}\nin\n    {steps[-1][0]}"


def _calendar() -> Iterator[str]:
    """The model's date table: every day of the months that are related to it."""

    def ends(function: str) -> str:
        months = [
            f"{function} ( {found.table}[{found.column}] )"
            for found in relationships()
            if found.to_table == CALENDAR
        ]
        return f"{function}X ( {{ {', '.join(months)} }}, [Value] )"

    yield "/// Every day of the months in the other tables"
    yield f"table {CALENDAR}"
    yield "\tdataCategory: Time"
    yield ""
    yield "\t/// Day"
    yield "\tcolumn Date"
    yield "\t\tdataType: dateTime"
    yield "\t\tisKey"
    yield "\t\tformatString: yyyy-mm-dd"
    yield "\t\tsummarizeBy: none"
    yield "\t\tisNameInferred"
    yield "\t\tsourceColumn: [Date]"
    yield ""
    yield from _column(
        Column(
            "Month",
            "date",
            "Month, as its first day",
            is_month=True,
            dax=f"EOMONTH ( '{CALENDAR}'[Date], -1 ) + 1",
        )
    )
    yield from _column(Column("Year", "int", "Year", dax=f"YEAR ( '{CALENDAR}'[Date] )"))
    yield f"\tpartition {CALENDAR} = calculated"
    yield "\t\tmode: import"
    yield f"\t\tsource = CALENDAR ( {ends('MIN')}, EOMONTH ( {ends('MAX')}, 0 ) )"
