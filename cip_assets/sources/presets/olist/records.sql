-- The items, each with its order. Payments and freight are added up per order before they are joined.
-- Of files that were delivered again, the newest.
WITH paid AS (
  SELECT "order_id", sum(number("payment_value", '.')) AS charged,
    arg_max("payment_type", number("payment_value", '.')) AS payment_type
  FROM (FROM payments QUALIFY _file = max(_file) OVER (PARTITION BY "order_id"))
  GROUP BY ALL
), newest_orders AS (
  FROM orders QUALIFY row_number() OVER (PARTITION BY "order_id" ORDER BY _file DESC, _line DESC) = 1
), newest_customers AS (
  FROM customers QUALIFY row_number() OVER (PARTITION BY "customer_id" ORDER BY _file DESC, _line DESC) = 1
), newest_products AS (
  FROM products QUALIFY row_number() OVER (PARTITION BY "product_id" ORDER BY _file DESC, _line DESC) = 1
), english AS (
  SELECT "product_category_name", arg_max("product_category_name_english", _file) AS category
  FROM translation
  GROUP BY ALL
)
SELECT items._file, items._line, items."order_id", newest_customers."customer_unique_id", items."product_id",
  coalesce(english.category, newest_products."product_category_name") AS category,
  items."price", sum(number(items."freight_value", '.')) OVER (PARTITION BY items._file, items."order_id") AS shipping,
  paid.charged, paid.payment_type, newest_orders."order_status",
  newest_orders."order_purchase_timestamp"
FROM items
  LEFT JOIN newest_orders USING ("order_id")
  LEFT JOIN newest_customers USING ("customer_id")
  LEFT JOIN newest_products USING ("product_id")
  LEFT JOIN english USING ("product_category_name")
  LEFT JOIN paid USING ("order_id")
