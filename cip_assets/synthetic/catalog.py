"""The products: names, brands, categories and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cip_assets.synthetic import text

RISING_CATEGORY: Final = "Electronics"
"""The category whose return ratio rises in the scenario story."""


@dataclass(frozen=True)
class Category:
    """A product category: its price level, its return probability and the nouns of its products."""

    name: str
    share: float  # of the catalog
    median_price: float  # currency units
    price_spread: float  # standard deviation of the logarithm of the price
    return_probability: float  # per transaction line, without a trend
    nouns: tuple[str, ...]


CATEGORIES: Final = (
    Category(
        RISING_CATEGORY,
        0.18,
        160.0,
        0.9,
        0.085,
        (
            '27" Monitor',
            "Headphones",
            "Bluetooth Speaker",
            "Tablet",
            "Smart Watch",
            "Router",
            "Camera",
            "USB-C Dock, 8 Ports",
            "Power Bank",
            "Projector",
        ),
    ),
    Category(
        "Home & Kitchen",
        0.16,
        55.0,
        0.8,
        0.065,
        (
            "Coffee Maker",
            "Knife Set",
            "Crème Brûlée Set",
            "Frying Pan, 28 cm",
            "Blender",
            "Toaster",
            "Table Lamp",
            "Storage Box",
            "Desk Chair",
        ),
    ),
    Category(
        "Clothing",
        0.18,
        48.0,
        0.6,
        0.15,
        ("Jacket", "Jeans, Slim Fit", "T-Shirt", "Sneakers", "Wool Scarf", "Dress", "Hoodie", "Rain Coat"),
    ),
    Category(
        "Sports & Outdoors",
        0.12,
        65.0,
        0.9,
        0.08,
        (
            "Yoga Mat",
            "Tent, 2 Persons",
            "Running Shoes",
            "Dumbbell Set",
            "Backpack",
            "Bike Helmet",
            "Sleeping Bag",
        ),
    ),
    Category(
        "Beauty",
        0.10,
        26.0,
        0.6,
        0.045,
        ("Face Cream", "Shampoo", "Perfume", "Lip Balm", "Hair Dryer", "Eau de Toilette, 50 ml"),
    ),
    Category(
        "Books",
        0.08,
        18.0,
        0.5,
        0.03,
        ("Cookbook", "Novel", "Atlas", 'Guide "First Steps"', "Biography", "Picture Book"),
    ),
    Category(
        "Toys & Games",
        0.10,
        30.0,
        0.6,
        0.06,
        ("Board Game", "Puzzle, 1000 Pieces", "Building Blocks", "Plush Bear", "Model Train", "Card Game"),
    ),
    Category(
        "Grocery",
        0.08,
        12.0,
        0.6,
        0.015,
        ("Olive Oil, 1 l", "Green Tea", "Coffee Beans", "Dark Chocolate", "Jalapeño Sauce", "Granola"),
    ),
)

BRANDS: Final = (
    "Alderwick",
    "Borealix",
    "Cendrillo",
    "Dunmarrow",
    "Élanthe",
    "Fennimark",
    "Glasdahl",
    "Hartwyn & Co",
    "Ivorel",
    "Juniperra",
    "Kestrova",
    "Lumadine",
    "Morvane",
    "Nordkvist",
    "Ostrelle",
    "Pellarin",
    "Quillmoor",
    "Rosenthorpe",
    "Søndervik",
    "Tamarisko",
    "Umbravale",
    "Veltrano",
    "Wexcombe",
    "Yarrowby",
    "Zephyrine",
)
ADJECTIVES: Final = (
    "Classic",
    "Compact",
    "Deluxe",
    "Eco",
    "Essential",
    "Light",
    "Premium",
    "Pro",
    "Studio",
    "Urban",
)


@dataclass(frozen=True)
class Catalog:
    """Products sorted by selling price; arrays of shape (products,)."""

    number: NDArray[np.int64]  # of the product id
    category: NDArray[np.int64]  # index into CATEGORIES
    price: NDArray[np.int64]  # selling price in cents
    ids: pa.Array
    columns: dict[str, pa.Array]  # text of products.csv, in the order of the product numbers


def make_catalog(products: int, rng: np.random.Generator) -> Catalog:
    """Draw the products: each has a brand, a category, and a cost between 45% and 80% of the price."""
    shares = np.cumsum([category.share for category in CATEGORIES])
    category = np.searchsorted(shares / shares[-1], (np.arange(products) + 0.5) / products)
    category = rng.permutation(category)
    median = np.array([c.median_price for c in CATEGORIES])[category]
    spread = np.array([c.price_spread for c in CATEGORIES])[category]
    # Prices end in .99 or .49: a multiple of 0.50, less one cent.
    price = np.maximum(4, np.rint(2 * median * rng.lognormal(0.0, spread))).astype(np.int64) * 50 - 1
    cost = np.maximum(1, np.rint(price * rng.uniform(0.45, 0.80, products))).astype(np.int64)
    brand = rng.integers(len(BRANDS), size=products)
    adjective = rng.integers(len(ADJECTIVES), size=products)
    noun = rng.integers(1 << 30, size=products)
    names = [
        f"{BRANDS[b]} {ADJECTIVES[a]} {CATEGORIES[c].nouns[n % len(CATEGORIES[c].nouns)]}"
        for b, a, c, n in zip(brand, adjective, category, noun, strict=True)
    ]
    number = np.arange(1, products + 1)
    ids = text.identifiers("P", number, 5)
    columns = {
        "product_id": ids,
        "product_name": pa.array(names, pa.string()),
        "category": text.labels([c.name for c in CATEGORIES], category),
        "brand": text.labels(BRANDS, brand),
        "cost_price": text.money(cost),
        "selling_price": text.money(price),
    }
    order = np.argsort(price, kind="stable")
    return Catalog(number[order], category[order], price[order], ids.take(pa.array(order)), columns)
