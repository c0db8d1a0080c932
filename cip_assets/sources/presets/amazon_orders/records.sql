-- The charged amount of an order is that of its lines, with what stands beside the goods.
WITH amounts AS (
  SELECT *,
    coalesce(number("shipping-price", '.'), 0) - coalesce(abs(number("ship-promotion-discount", '.')), 0)
      + coalesce(number("gift-wrap-price", '.'), 0) AS beside_goods,
    CASE WHEN regexp_matches("sales-channel", '^Amazon[.](com|ca)$', 'i') THEN coalesce(number("item-tax", '.'), 0)
      + coalesce(number("shipping-tax", '.'), 0) + coalesce(number("gift-wrap-tax", '.'), 0) END AS tax_apart,
    number("item-price", '.') - coalesce(abs(number("item-promotion-discount", '.')), 0) AS goods,
    coalesce("order-status" ILIKE 'cancel%' OR "item-status" ILIKE 'cancel%', false) AS is_cancelled
  FROM orders
)
SELECT _file, _line, "amazon-order-id", "sku", "asin", "product-name", "quantity", "currency", "item-price",
  "item-promotion-discount", "purchase-date", "last-updated-date", "order-status", "item-status", "sales-channel",
  sum(beside_goods) FILTER (NOT is_cancelled) OVER whole AS "shipping",
  sum(tax_apart) FILTER (NOT is_cancelled) OVER whole AS "tax",
  sum(goods + beside_goods + coalesce(tax_apart, 0)) FILTER (NOT is_cancelled) OVER whole AS "charged"
FROM amounts
WINDOW whole AS (PARTITION BY _file, "amazon-order-id")
