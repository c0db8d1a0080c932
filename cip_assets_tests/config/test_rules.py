"""The business rules file: its content, and the one line that says what is wrong with a broken file."""

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import DEFAULT_RULES, Rules, folded, load_rules, rules_file
from cip_assets.layers import SOURCE_TABLES, check_rules

Content = dict[str, Any]


def default_content() -> Content:
    return deepcopy(yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8")))


def written(folder: Path, content: Content) -> Path:
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    """The message about a broken file, without the part that names the file."""
    with pytest.raises(PlatformError) as caught:
        check_rules(load_rules(path), path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"business rules {path}: ")
    return message.removeprefix(f"business rules {path}: ")


# --- the default file ---------------------------------------------------------------------------------------


def test_the_default_file_has_the_documented_values(rules: Rules) -> None:
    assert rules.calendar.first_month == date(2023, 1, 1)
    assert rules.churn.window_days == 90
    assert (rules.churn.bands.medium, rules.churn.bands.high) == (50, 80)
    assert (rules.forecast.max_bias, rules.clv.horizon_months) == (0.5, 36)
    quality = rules.quality
    assert (quality.max_conflicting_ids_share, quality.max_delivery_drop) == (0.01, 0.5)
    assert quality.max_delivery_growth == 10
    high, loyal = rules.value_segments.high_value, rules.value_segments.loyal
    assert (high.max_recency_days, high.min_frequency, high.min_monetary) == (30, 10, 5000)
    assert (loyal.max_recency_days, loyal.min_frequency, loyal.min_monetary) == (60, 5, 1000)
    assert rules.engagement.half_life_days == 30
    assert rules.engagement.weights == {
        "Checkout": 5,
        "Add to Cart": 3,
        "Wishlist": 2,
        "Cart View": 2,
        "Product Click": 1,
        "Search": 1,
        "Page View": 1,
        "Remove from Cart": -1,
    }
    assert rules.fill == {
        "products.product_name": "Unknown",
        "products.category": "Unknown",
        "products.brand": "Unknown",
        "transactions.payment_method": "Unknown",
        "returns.return_reason": "Not Specified",
        "support_tickets.ticket_category": "General",
        "support_tickets.priority": "Medium",
        "support_tickets.status": "Open",
    }


def test_the_default_file_uses_only_existing_columns_and_known_words(rules: Rules) -> None:
    for key in [*rules.fill, *rules.vocabulary]:
        table, column = key.split(".")
        assert column in SOURCE_TABLES[table].columns, key
    for key, word in rules.fill.items():
        assert word in rules.vocabulary.get(key, [word]), key
    assert set(rules.engagement.weights) == set(rules.vocabulary["web_activity.activity_type"])


def test_by_default_files_are_safe_in_spreadsheets_and_have_no_byte_order_mark(rules: Rules) -> None:
    assert (rules.exports.neutralize_formulas, rules.exports.byte_order_mark) == (True, False)


def test_an_environment_variable_selects_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIP_RULES", str(written(tmp_path, default_content() | {"top_n": 7})))
    assert load_rules(rules_file()).top_n == 7
    monkeypatch.delenv("CIP_RULES")
    assert load_rules(rules_file()).top_n == 100


def test_a_month_may_be_written_as_its_first_day(tmp_path: Path) -> None:
    content = default_content() | {"calendar": {"first_month": date(2021, 5, 1)}}
    assert load_rules(written(tmp_path, content)).calendar.first_month == date(2021, 5, 1)


@pytest.mark.parametrize(
    ("written_as", "key"),
    [
        ("Credit Card", "credit card"),
        ("  CREDIT \t card ", "credit card"),
        ("credit\u00a0card", "credit card"),
        ("", ""),
    ],
)
def test_words_are_compared_in_any_case_and_spacing(written_as: str, key: str) -> None:
    assert folded(written_as) == key


# --- broken files -------------------------------------------------------------------------------------------


def _set(*keys: Any, to: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        place: Any = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return change


def _drop(*keys: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        place: Any = content
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


BROKEN = {
    "unknown key": (
        _set("churn", "risk_after_day", to=5),
        "churn.risk_after_day: Extra inputs are not permitted",
    ),
    "unknown section": (_set("loyalty", to={}), "loyalty: Extra inputs are not permitted"),
    "missing key": (_drop("churn", "window_days"), "churn.window_days: Field required"),
    "missing section": (_drop("engagement"), "engagement: Field required"),
    "wrong type": (
        _set("churn", "window_days", to="ninety"),
        "churn.window_days: Input should be a valid integer",
    ),
    "a fraction": (_set("top_n", to=1.5), "top_n: Input should be a valid integer"),
    "a list for a section": (_set("churn", to=[1, 2]), "churn: Input should be"),
    "too small": (_set("churn", "window_days", to=0), "churn.window_days: Input should be greater"),
    "negative": (
        _set("value_segments", "loyal", "min_monetary", to=-1),
        "value_segments.loyal.min_monetary: Input",
    ),
    "weight that is not a number": (
        _set("engagement", "weights", "Search", to="much"),
        "engagement.weights.Search: Input",
    ),
    "share of conflicting ids above one": (
        _set("quality", "max_conflicting_ids_share", to=2),
        "quality.max_conflicting_ids_share: Input should be less",
    ),
    "negative drop": (
        _set("quality", "max_delivery_drop", to=-0.1),
        "quality.max_delivery_drop: Input should be greater",
    ),
    "growth below one": (
        _set("quality", "max_delivery_growth", to=0.5),
        "quality.max_delivery_growth: Input should be greater",
    ),
    "invalid month": (_set("calendar", "first_month", to="2023-13"), "calendar.first_month: Input"),
    "score above 5": (_set("rfm_segments", 0, "r", to=[4, 6]), "rfm_segments.0.r.1: Input should be less"),
    "score below 1": (_set("rfm_segments", 2, "m", to=[0, 5]), "rfm_segments.2.m.0: Input should be greater"),
    "range of one number": (_set("rfm_segments", 1, "f", to=[4]), "rfm_segments.1.f.1: Field required"),
    "segment without a name": (_set("rfm_segments", 3, "name", to=""), "rfm_segments.3.name: String should"),
    "scores without a segment": (_drop("rfm_segments", 9), "rfm_segments: no segment fits the scores 1 1 1"),
    "scores without a segment in the middle": (
        _set("rfm_segments", 6, "m", to=[1, 1]),
        "rfm_segments: no segment fits the scores 3 1 2",
    ),
    "word twice": (
        _set("vocabulary", "customers.gender", to=["Female", "Male", "Female"]),
        "vocabulary.customers.gender: 'Female' is listed twice",
    ),
    "word twice in another case": (
        _set("vocabulary", "support_tickets.status", to=["Open", "Closed", " OPEN "]),
        "vocabulary.support_tickets.status: 'Open' is listed twice",
    ),
    "switch that is not a boolean": (
        _set("exports", "byte_order_mark", to="perhaps"),
        "exports.byte_order_mark: Input should be a valid boolean",
    ),
    "unknown switch": (_set("exports", "bom", to=True), "exports.bom: Extra inputs are not permitted"),
    "share above one": (
        _set("quality", "max_orphan_share", to=1.5),
        "quality.max_orphan_share: Input should be less",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_for_a_broken_file_one_line_names_the_key(case: str, tmp_path: Path) -> None:
    change, expected = BROKEN[case]
    content = default_content()
    change(content)
    assert complaint(written(tmp_path, content)).startswith(expected)


def test_a_missing_file(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.yaml").startswith("cannot be read: [Errno 2] No such file")


def test_a_file_that_is_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("churn: [1, 2\ntop_n: 3\n", encoding="utf-8")
    found = complaint(path)
    assert found.startswith("cannot be read: while parsing a flow sequence")
    assert "line 1" in found


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"top_n: \xff\xfe")
    assert complaint(path).startswith("cannot be read: 'utf-8' codec")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n"])
def test_a_file_that_is_not_a_mapping(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    assert "Input should be" in complaint(path)


# --- segments -----------------------------------------------------------------------------------------------

# Written by hand from the definition: the scores as RFM, and the segment of the first line that fits.
EXAMPLES = {
    "Champions": ["444", "445", "454", "455", "544", "545", "554", "555"],
    "Can't Lose": ["144", "145", "154", "155", "244", "245", "254", "255"],
    # f 4-5 with r 4-5 and m below 4; with r 3 any m
    "Loyal": ["441", "443", "451", "453", "541", "553", "341", "343", "345", "351", "355"],
    "New": ["411", "413", "415", "511", "515"],
    "Potential Loyalist": ["421", "425", "431", "435", "521", "525", "531", "535"],
    "Promising": ["313", "315", "323", "324", "333", "335"],
    "Need Attention": ["311", "312", "321", "322", "331", "332"],
    # also m 3 with f 4-5, because Can't Lose needs m 4-5
    "At Risk": ["123", "125", "133", "134", "143", "153", "223", "225", "233", "235", "243", "253"],
    # f 1 with any m; otherwise m 1-2
    "About To Sleep": ["211", "213", "215", "221", "222", "232", "241", "252"],
    "Lost": ["111", "113", "115", "121", "122", "131", "132", "141", "142", "151", "152"],
}


def segment_of(rules: Rules, r: int, f: int, m: int) -> str:
    return next(segment.name for segment in rules.rfm_segments if segment.fits(r, f, m))


@pytest.mark.parametrize(
    ("name", "scores"), [(name, scores) for name, many in EXAMPLES.items() for scores in many]
)
def test_segment_of_scores(rules: Rules, name: str, scores: str) -> None:
    assert segment_of(rules, *map(int, scores)) == name


# The number of the 25 pairs F, M of each R that belong to each segment, counted on paper.
COUNTS = {
    # R 5 and 4: f 4-5 are 10 pairs, 4 of them with m 4-5; f 1 is 5 pairs; f 2-3 are 10.
    5: {"Champions": 4, "Loyal": 6, "New": 5, "Potential Loyalist": 10},
    4: {"Champions": 4, "Loyal": 6, "New": 5, "Potential Loyalist": 10},
    # R 3: f 4-5; then f 1-3 by m.
    3: {"Loyal": 10, "Promising": 9, "Need Attention": 6},
    # R 2 and 1: f 4-5 with m 4-5; f 2-5 with m 3-5 are 12 pairs, less those 4; the rest.
    2: {"Can't Lose": 4, "At Risk": 8, "About To Sleep": 13},
    1: {"Can't Lose": 4, "At Risk": 8, "Lost": 13},
}


@pytest.mark.parametrize("r", COUNTS)
def test_all_125_scores_have_the_segments_of_the_definition(rules: Rules, r: int) -> None:
    found: dict[str, int] = {}
    for f, m in product(range(1, 6), repeat=2):
        name = segment_of(rules, r, f, m)
        found[name] = found.get(name, 0) + 1
    assert found == COUNTS[r]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda c: c["calendar"].update(first_month="2023-01-15"),
            "write a month as YYYY-MM, not 2023-01-15",
        ),
        (
            lambda c: c["calendar"].update(first_month="1677-10"),
            "choose a month from 1900-01 on, not 1677-10",
        ),
        (lambda c: c["rfm_segments"][0].update(r=[5, 4]), "write the lower score first, not [5, 4]"),
        (lambda c: c["fill"].update({"products.color": "Unknown"}), "fill.products.color: no source table"),
        (lambda c: c["vocabulary"].update({"shops.name": ["A"]}), "vocabulary.shops.name: no source table"),
        (lambda c: c["engagement"]["weights"].update(Dance=1), "engagement.weights.Dance: not in vocabulary"),
        (lambda c: c["churn"]["bands"].update(high=50), "churn.bands: high must be above medium"),
        (
            lambda c: c["operations"]["fresh_for_hours"].pop("marts"),
            "operations.fresh_for_hours: name each of",
        ),
    ],
)
def test_an_invalid_value_is_named(tmp_path: Path, change: Callable[[Content], object], says: str) -> None:
    content = default_content()
    change(content)
    assert says in complaint(written(tmp_path, content))
