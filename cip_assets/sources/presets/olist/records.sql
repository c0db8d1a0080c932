-- The items, each with its order. Payments and freight are added up per order before they are joined.
WITH paid AS (
  SELECT "order_id", sum(number("payment_value", '.')) AS charged,
    arg_max("payment_type", number("payment_value", '.')) AS payment_type
  FROM payments
  GROUP BY ALL
)
SELECT items._file, items._line, items."order_id", customers."customer_unique_id", items."product_id",
  coalesce(translation."product_category_name_english", products."product_category_name") AS category,
  items."price", sum(number(items."freight_value", '.')) OVER (PARTITION BY items._file, items."order_id") AS shipping,
  paid.charged, paid.payment_type, orders."order_status", orders."order_purchase_timestamp"
FROM items
  LEFT JOIN orders USING ("order_id")
  LEFT JOIN customers USING ("customer_id")
  LEFT JOIN products USING ("product_id")
  LEFT JOIN translation USING ("product_category_name")
  LEFT JOIN paid USING ("order_id")
