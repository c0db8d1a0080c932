"""Web sessions: what the visitors of a shop's website did, from events or from sessions."""

from collections.abc import Sequence

from cip_assets.sources.texts import LETTERS
from cip_assets.storage.views import literal

ACTIVITIES: Sequence[tuple[str, str]] = (
    ("Cart View", r"^checkout cart"),
    ("Wishlist", r"wish ?list|favou?rite"),
    ("Remove from Cart", r"(remov|delet)\w* (from )?(cart|basket|bag)|(cart|basket|product|item) remov"),
    ("Add to Cart", r"add\w* (\w+ )?to (cart|basket|bag)|(cart|basket|bag) add|(product|item) added"),
    (
        "Checkout",
        r"checkout|purchase|payment|shipping info|order (complet|plac|confirm|receiv|success)|kasse|bestell",
    ),
    ("Search", r"search|suche|recherche"),
    ("Cart View", r"\b(cart|basket|bag|warenkorb|panier)\b"),
    ("Product Click", r"\b(products?|items?|dp|artikel|produkte?|produits?)\b"),
    ("Page View", r"^(page|screen)s? ?(view(ed)?s?)?$|^(view|visit|browse|session start|first visit)$"),
)
"""The platform's activities, with patterns of events and of pages in plain words; the first that fits counts."""

FURTHEST = (
    "Checkout",
    "Add to Cart",
    "Cart View",
    "Wishlist",
    "Product Click",
    "Search",
    "Page View",
    "Remove from Cart",
)
"""How far a visitor came. A session of several events has the activity that is first here, or else its last one."""

PAUSE = 30
"""Minutes without an event after which a session is over, as in web analytics."""


def _activity() -> str:
    cases = "".join(
        f"\n    WHEN regexp_matches(plain, {literal(pattern)}) THEN {literal(name)}"
        for name, pattern in ACTIVITIES
    )
    return f"CASE{cases} END"


MACROS = rf"""
CREATE MACRO activity_words(x) AS
  trim(regexp_replace(lower(regexp_replace(x, '([a-z])([A-Z])', '\1 \2', 'g')), '[^{LETTERS}0-9]+', ' ', 'g'));
CREATE MACRO known_activity(x) AS list_transform([x], lambda plain: {_activity()})[1];
CREATE MACRO is_address(x) AS regexp_matches(x, '^(https?://|www[.]|/)');
CREATE MACRO page(x) AS activity_words(array_to_string(list_filter(
  string_split(regexp_replace(regexp_replace(x, '[?#].*$', ''), '^(https?://)?[^/]*', ''), '/'),
  lambda part: part <> '' AND NOT regexp_matches(part, '^[a-z]{{2}}([-_][A-Za-z]{{2}})?$'))[1:2], ' '));
CREATE MACRO activity(x) AS
  CASE WHEN is_address(x) THEN coalesce(known_activity(page(x)), 'Page View')
    ELSE coalesce(known_activity(activity_words(x)), x) END;
"""
"""``activity`` is the platform's word for an event or for the address of a page. An address never lands as it is,
because it may name a person; other events that are not known stay as they are.
"""

VISITS = f"""
CREATE TABLE visits AS
  WITH parts AS (
    SELECT *, activity(activity) AS kind_of,
      CASE WHEN session_id IS NULL AND time - lag(time) OVER before <= INTERVAL {PAUSE} MINUTE THEN 0 ELSE 1 END
        AS begins
    FROM sessions JOIN ranked USING (export, file_no) WHERE kind = 'session'
    WINDOW before AS (PARTITION BY export, customer_id, session_id ORDER BY time, rank, line, number)),
  placed AS (
    SELECT *, CASE WHEN time IS NULL THEN -row_number() OVER (ORDER BY export, file_no, line, number)
        WHEN session_id IS NULL THEN sum(begins) OVER before ELSE 0 END AS place,
      coalesce(list_position({list(FURTHEST)}, kind_of), {len(FURTHEST) + 1}) AS distance
    FROM parts
    WINDOW before AS (PARTITION BY export, customer_id, session_id ORDER BY time, rank, line, number))
  SELECT export, customer_id, session_id, min(time) AS time, any_value(time_text) AS time_text,
    arg_min(kind_of, (distance, -epoch_us(time), -rank, -line, -number)) FILTER (kind_of IS NOT NULL) AS activity,
    arg_max(product_id, (time, rank, line, number)) FILTER (product_id IS NOT NULL) AS product_id,
    arg_min(file_no, (time, rank, line, number)) AS file_no, arg_min(line, (time, rank, line, number)) AS line,
    arg_min(number, (time, rank, line, number)) AS number
  FROM placed GROUP BY export, customer_id, session_id, place;
"""
"""One row per session, with its first moment, and the file and line of that. An event whose time cannot be read is a
row of its own, so that it is quarantined. The same event in two files changes nothing.
"""
