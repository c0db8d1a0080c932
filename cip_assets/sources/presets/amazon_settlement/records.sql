-- Each settlement from its newest file: a line for the amounts of an item that the buyer paid or got back, and the other
-- amounts as they are. The currency stands on the first record only. V1 has columns of its own for the amounts, and a
-- record of its own for the quantity.
WITH newest AS (
  SELECT *, "transaction-type" IN ('Order', 'Refund', 'Chargeback Refund', 'A-to-z Guarantee Refund') AS is_order,
    first_value("currency" IGNORE NULLS) OVER whole AS own_currency,
    coalesce("amount-type", CASE WHEN "price-type" IS NOT NULL THEN 'ItemPrice'
      WHEN "promotion-type" IS NOT NULL THEN 'Promotion' END) IN ('ItemPrice', 'Promotion') AS is_paid,
    coalesce("amount-description", "price-type", "promotion-type") AS what,
    number(coalesce("amount", "price-amount", "promotion-amount"), '.') AS money
  FROM amounts
  WINDOW whole AS (PARTITION BY _file, "settlement-id" ORDER BY _line
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  QUALIFY _file = max(_file) OVER (PARTITION BY "settlement-id")
), lines AS (
  SELECT _file, min(_line) AS _line, "settlement-id", "transaction-type", "order-id", any_value("sku") AS "sku",
    max(number("quantity-purchased", '.')) AS "quantity", any_value(own_currency) AS "currency",
    min("posted-date") AS "posted-date",
    coalesce(sum(money) FILTER (is_paid AND what = 'Principal'), 0) AS "goods",
    coalesce(sum(money) FILTER (is_paid AND what <> 'Principal' AND what NOT ILIKE '%tax'), 0) AS beside_goods,
    coalesce(sum(money) FILTER (is_paid AND what ILIKE '%tax'), 0) AS taxes
  FROM newest
  WHERE is_order
  GROUP BY _file, "settlement-id", "transaction-type", "order-id", "order-item-code", "merchant-adjustment-item-id",
    CASE WHEN "transaction-type" <> 'Order' THEN "posted-date" END
  HAVING bool_or(is_paid)
)
SELECT * EXCLUDE (beside_goods, taxes), CASE WHEN "transaction-type" = 'Order' THEN 'sale' ELSE 'return' END AS "sort",
  CASE WHEN "transaction-type" <> 'Order' THEN -("goods" + beside_goods + taxes) END AS "refunded",
  sum(beside_goods) FILTER ("transaction-type" = 'Order') OVER whole AS "shipping",
  sum(taxes) FILTER ("transaction-type" = 'Order') OVER whole AS "tax",
  sum("goods" + beside_goods + taxes) FILTER ("transaction-type" = 'Order') OVER whole AS "charged"
FROM lines
WINDOW whole AS (PARTITION BY "order-id")
UNION ALL BY NAME
SELECT _file, _line, "settlement-id", "transaction-type", "order-id", "sku", money AS "goods", own_currency AS "currency",
  "posted-date",
  CASE WHEN "total-amount" IS NOT NULL THEN 'summary' WHEN "amount-type" = 'ItemWithheldTax' THEN 'tax'
    WHEN regexp_matches(concat_ws(' ', "amount-type", what), 'fee|commission', 'i') THEN 'fee'
    ELSE 'adjustment' END AS "sort"
FROM newest
WHERE "total-amount" IS NOT NULL OR ("amount-type" IS NOT NULL AND NOT (is_order AND is_paid))
