-- Each settlement from its newest file. Currency stands on its first record only.
WITH newest AS (
  SELECT *, first_value("currency" IGNORE NULLS) OVER whole AS own_currency, number("amount", '.') AS money
  FROM amounts
  WINDOW whole AS (PARTITION BY _file, "settlement-id" ORDER BY _line
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  QUALIFY _file = max(_file) OVER (PARTITION BY "settlement-id")
), lines AS (
  SELECT _file, min(_line) AS _line, "settlement-id", "transaction-type", "order-id", any_value("sku") AS "sku",
    max(number("quantity-purchased", '.')) AS "quantity", any_value(own_currency) AS "currency",
    min("posted-date") AS "posted-date",
    coalesce(sum(money) FILTER ("amount-description" = 'Principal'), 0) AS "goods",
    coalesce(sum(money) FILTER ("amount-description" <> 'Principal' AND "amount-description" NOT ILIKE '%tax'), 0)
      AS beside_goods,
    coalesce(sum(money) FILTER ("amount-description" ILIKE '%tax'), 0) AS taxes
  FROM newest
  WHERE "amount-type" IN ('ItemPrice', 'Promotion')
    AND "transaction-type" IN ('Order', 'Refund', 'Chargeback Refund', 'A-to-z Guarantee Refund')
  GROUP BY _file, "settlement-id", "transaction-type", "order-id", "order-item-code", "merchant-adjustment-item-id",
    CASE WHEN "transaction-type" <> 'Order' THEN "posted-date" END
)
SELECT * EXCLUDE (beside_goods, taxes),
  CASE WHEN "transaction-type" <> 'Order' THEN -("goods" + beside_goods + taxes) END AS "refunded",
  sum(beside_goods) FILTER ("transaction-type" = 'Order') OVER whole AS "shipping",
  sum(taxes) FILTER ("transaction-type" = 'Order') OVER whole AS "tax",
  sum("goods" + beside_goods + taxes) FILTER ("transaction-type" = 'Order') OVER whole AS "charged"
FROM lines
WINDOW whole AS (PARTITION BY "order-id")
