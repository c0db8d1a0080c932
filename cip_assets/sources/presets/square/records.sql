-- Each payment from its newest file. An order may be paid in parts, and its refunds have its number.
WITH collected AS (
  SELECT "Transaction ID", "Payment ID", "Event Type", number("Total Collected", '.') AS total,
    coalesce(number("Tip", '.'), 0) + coalesce(number("Service Charges", '.'), 0) AS tip,
    coalesce(number("Tax", '.'), 0) AS tax
  FROM transactions
  QUALIFY row_number() OVER (PARTITION BY "Payment ID" ORDER BY _file DESC, _line DESC) = 1
), paid AS (
  SELECT "Transaction ID", sum(total) AS total, sum(tip) AS tip, sum(tax) AS tax
  FROM collected WHERE total >= 0 AND "Event Type" IS DISTINCT FROM 'Refund' GROUP BY ALL
), money AS (
  SELECT *, number("Net Sales", '.') + coalesce(number("Tax", '.'), 0) AS gross,
    row_number() OVER (PARTITION BY _file, "Payment ID" ORDER BY _line) AS place
  FROM items
)
SELECT _file, _line, money."Transaction ID", money."Payment ID", "Customer ID", "SKU",
  concat_ws(', ', "Item", "Price Point Name") AS "Product", "Item", nullif("Category", 'None') AS "Category", "Qty",
  "Net Sales", "Date", money."Event Type", "Itemization Type",
  CASE WHEN gross < 0 THEN -gross
    - CASE WHEN place = 1 THEN coalesce(collected.total - sum(gross) OVER (PARTITION BY _file, money."Payment ID"), 0)
      ELSE 0 END END AS "Refunded",
  paid.tip AS "Tip", paid.tax AS "Tax", paid.total AS "Charged"
FROM money LEFT JOIN collected USING ("Payment ID") LEFT JOIN paid ON money."Transaction ID" = paid."Transaction ID"
