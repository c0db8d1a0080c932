-- What stands on the first record of an order only holds for all of its records. Gift cards that were sold, and tips, are
-- lines, too.
WITH lines AS (
  SELECT *, beside_goods("Lineitem name") AS beside,
    number("Lineitem quantity", '.') * number("Lineitem price", '.') AS line_amount
  FROM orders)
SELECT _file, _line, "Name", "Lineitem sku", "Lineitem name", "Lineitem quantity", "Lineitem price",
  first_value("Email" IGNORE NULLS) OVER whole AS "Email",
  first_value("Financial Status" IGNORE NULLS) OVER whole AS "Financial Status",
  first_value("Currency" IGNORE NULLS) OVER whole AS "Currency",
  beside,
  number(first_value("Subtotal" IGNORE NULLS) OVER whole, '.')
    - coalesce(sum(line_amount) FILTER (beside IS NOT NULL) OVER whole, 0) AS subtotal,
  number(first_value("Shipping" IGNORE NULLS) OVER whole, '.')
    + coalesce(sum(line_amount) FILTER (beside IS NOT NULL) OVER whole, 0) AS shipping,
  first_value("Taxes" IGNORE NULLS) OVER whole AS "Taxes",
  first_value("Total" IGNORE NULLS) OVER whole AS "Total",
  first_value("Discount Amount" IGNORE NULLS) OVER whole AS "Discount Amount",
  first_value(coalesce("Refunded Amount",
    CASE "Financial Status" WHEN 'refunded' THEN "Total" WHEN 'partially_refunded' THEN 'unknown' END) IGNORE NULLS)
    OVER whole AS "Refunded Amount",
  first_value("Created at" IGNORE NULLS) OVER whole AS "Created at",
  first_value("Cancelled at" IGNORE NULLS) OVER whole AS "Cancelled at",
  first_value("Payment Method" IGNORE NULLS) OVER whole AS "Payment Method"
FROM lines
WINDOW whole AS (
  PARTITION BY _file, "Name" ORDER BY _line ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
