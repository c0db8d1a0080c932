"""What a customer's page must say, computed from the landing files in plain Python, with none of the platform's code.

A generated line counts unless the ground truth says that it must be quarantined or superseded.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from cip_assets.config.rules import Rules

Row = dict[str, str]
DATED = {
    "transactions": "transaction_date",
    "returns": "return_date",
    "support_tickets": "opened_date",
    "web_activity": "timestamp",
}


class Landed:
    """The good lines of the landing files up to a day, by customer."""

    def __init__(self, landing: Path, day: date, rules: Rules) -> None:
        self.day, self.rules = day, rules
        with (landing / "_truth.csv").open(encoding="utf-8", newline="") as stream:
            bad = {(row["file"], row["line"]) for row in csv.DictReader(stream) if row["outcome"] != "kept"}
        self.customers = {row["customer_id"]: row for row in self._lines(landing, "customers", bad)}
        self.products = {row["product_id"]: row for row in self._lines(landing, "products", bad)}
        self.events: dict[str, dict[str, list[Row]]] = {}
        for table, dated in DATED.items():
            self.events[table] = defaultdict(list)
            for row in self._lines(landing, table, bad):
                if row[dated][:10] <= str(day):
                    self.events[table][row["customer_id"]].append(row)
        self._points = {who: self._engagement(rows) for who, rows in self.events["web_activity"].items()}
        buyers = [self._rfm(rows) for who, rows in self._of("transactions") if who in self.customers]
        self._cuts = [_quintiles(values) for values in zip(*buyers, strict=True)]

    def _lines(self, landing: Path, table: str, bad: set[tuple[str, str]]) -> Iterator[Row]:
        for path in sorted([*landing.glob(f"{table}.csv"), *landing.glob(f"{table}/*/*.csv")]):
            name = str(path.relative_to(landing))
            with path.open(encoding="utf-8-sig", newline="") as stream:
                for number, row in enumerate(csv.DictReader(stream), 2):
                    if (name, str(number)) not in bad:
                        yield {
                            **{key: self._value(table, key, text) for key, text in row.items()},
                            "place": f"{name}:{number}",
                        }

    def _value(self, table: str, name: str, text: str) -> str:
        """A cell in its usual spelling, or what stands for an empty one."""
        text = " ".join(text.split())
        words = {word.lower(): word for word in self.rules.vocabulary.get(f"{table}.{name}", ())}
        return words.get(text.lower(), text) or self.rules.fill.get(f"{table}.{name}", "")

    def _of(self, table: str) -> Iterable[tuple[str, list[Row]]]:
        return self.events[table].items()

    def _age(self, text: str) -> int:
        return (self.day - date.fromisoformat(text[:10])).days

    def _rfm(self, bought: Sequence[Row]) -> tuple[int, int, Decimal]:
        days = [row["transaction_date"] for row in bought]
        return self._age(max(days)), len(bought), _sum(bought)

    def _engagement(self, sessions: Sequence[Row]) -> int:
        half, weights = self.rules.engagement.half_life_days, self.rules.engagement.weights
        return sum(
            weights.get(row["activity_type"], 0) * round(10**9 * 0.5 ** (self._age(row["timestamp"]) / half))
            for row in sessions
        )

    def places(self, customer: str) -> list[str]:
        """The file and line of each of the customer's events."""
        return sorted(row["place"] for table in DATED for row in self.events[table].get(customer, ()))

    def figures(self, customer: str, *, is_churn_risk: bool) -> Mapping[str, Any]:
        """The figures of a customer. Whether the forecast sees a risk decides a segment, so it is given."""
        bought, returned, tickets, sessions = (self.events[table].get(customer, []) for table in DATED)
        own = self.customers[customer]
        lines = {row["transaction_id"] for row in bought}
        spend, refunds = _sum(bought), _sum(returned)
        returned_orders = {row["transaction_id"] for row in returned} & lines
        closed = {row["ticket_id"]: row["resolved_date"] for row in tickets if row["resolved_date"]}
        done = [row for row in tickets if closed.get(row["ticket_id"], "9") <= str(self.day)]
        took = [self._age(row["opened_date"]) - self._age(row["resolved_date"]) for row in done]
        points = self._points.get(customer)
        at_or_below = sum(other <= points for other in self._points.values()) if points is not None else 0
        days = sorted({row["transaction_date"] for row in bought})
        return {
            "customer_id": customer,
            "as_of_date": self.day,
            **{name: own[name] for name in ("gender", "region", "customer_segment", "signup_date")},
            "frequency": len(bought),
            "monetary_value": spend,
            "avg_order_value": _quotient(spend, len(bought), "0.01"),
            "payment_method": _first(Counter(row["payment_method"] for row in bought)),
            "total_returns": len(returned),
            "returned_amount": refunds,
            "return_rate": _quotient(len(returned_orders), len(bought), "0.000001"),
            "net_revenue": spend - refunds,
            "historic_value": spend - refunds,
            "total_sessions": len(sessions),
            "active_days": len({row["timestamp"][:10] for row in sessions}),
            "engagement_score": _quotient(100 * at_or_below, len(self._points), "0.000001"),
            "last_session_date": max((row["timestamp"][:10] for row in sessions), default=None),
            "total_tickets": len(tickets),
            "open_tickets": sum(row not in done and not _is_closed(row) for row in tickets),
            "avg_resolution_days": _quotient(sum(took), len(took), "0.000001"),
            "last_ticket_date": max((row["opened_date"] for row in tickets), default=None),
            "top_category": self._favorite(bought, "category"),
            "top_brand": self._favorite(bought, "brand"),
            "recency_days": self._age(days[-1]) if days else None,
            "purchase_days": len(days),
            "first_purchase_date": days[0] if days else None,
            "last_purchase_date": days[-1] if days else None,
            **self._segments(bought, is_churn_risk=is_churn_risk),
        }

    def _favorite(self, bought: Sequence[Row], name: str) -> str | None:
        spent: Counter[str] = Counter()
        for row in bought:
            product = self.products.get(row["product_id"])
            spent[product[name] if product else "Unknown"] += int(Decimal(row["amount"]) * 100)
        return _first(spent)

    def _segments(self, bought: Sequence[Row], *, is_churn_risk: bool) -> Mapping[str, Any]:
        if not bought:
            return dict.fromkeys(("r_score", "f_score", "m_score")) | dict.fromkeys(
                ("rfm_segment", "value_segment"), "No purchase"
            )
        recency, orders, spend = values = self._rfm(bought)
        r, f, m = (
            1 + sum(value > cut for cut in cuts) for value, cuts in zip(values, self._cuts, strict=True)
        )
        r = 6 - r
        segment = next(rule.name for rule in self.rules.rfm_segments if rule.fits(r, f, m))
        high, loyal = self.rules.value_segments.high_value, self.rules.value_segments.loyal

        def fits(rule: Any) -> bool:
            return bool(
                recency <= rule.max_recency_days
                and orders >= rule.min_frequency
                and spend >= rule.min_monetary
            )

        value = "High Value" if fits(high) else "Loyal" if fits(loyal) else ""
        value = value or ("Churn Risk" if is_churn_risk else "Regular")
        return {"r_score": r, "f_score": f, "m_score": m, "rfm_segment": segment, "value_segment": value}


def _sum(rows: Sequence[Row]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal("0.00"))


def _is_closed(ticket: Row) -> bool:
    return not ticket["resolved_date"] and ticket["status"] in {"Closed", "Resolved"}


def _quotient(over: Decimal | int, under: int, places: str) -> Decimal | None:
    if not under:
        return None
    # One digit more would round twice, so the exact fraction is rounded, half up.
    return (Decimal(over) / under).quantize(Decimal(places), ROUND_HALF_UP)


def _first(counts: Counter[str]) -> str | None:
    """The one with the highest count, and of several the first in the order of letters."""
    key: Callable[[str], tuple[int, str]] = lambda name: (-counts[name], name)  # noqa: E731
    return min(counts, key=key, default=None)


def _quintiles(values: Sequence[Any]) -> Sequence[Any]:
    """The smallest values with at least 20, 40, 60 and 80 percent at or below them."""
    ordered = sorted(values)
    return [ordered[-(-len(ordered) * share // 100) - 1] for share in (20, 40, 60, 80)]
