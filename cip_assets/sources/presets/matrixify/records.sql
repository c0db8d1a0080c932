-- What stands on the first record of an order only holds for all of its records. Transactions, refund lines and
-- discount records say what their order's columns say, so they are read only where such a column is not in the file.
WITH typed AS (
  SELECT *,
    CASE WHEN lower("Line: Type") = 'tip' THEN 'fee' WHEN lower("Line: Gift Card") = 'true' THEN 'gift_card'
      ELSE beside_goods("Line: Title") END AS beside,
    CASE WHEN lower("Line: Type") = 'tip' THEN 'line item' ELSE lower("Line: Type") END AS type, lower("Transaction: Kind") AS paid_by,
    CASE WHEN lower(coalesce("Transaction: Status", 'success')) = 'success' THEN number("Transaction: Amount", '.') END
      AS paid,
    coalesce(number("Line: Total", '.'),
      number("Line: Quantity", '.') * number("Line: Price", '.') - abs(coalesce(number("Line: Discount", '.'), 0)))
      AS line_total
  FROM orders),
filled AS (
  SELECT _file, _line, type, beside, line_total, "Name", "Line: SKU", "Line: Product ID", "Line: Title", "Line: Quantity",
    max("Customer: Email") OVER whole AS "Customer: Email",
    max("Email") OVER whole AS "Email", max("Customer: ID") OVER whole AS "Customer: ID",
    max("Currency") OVER whole AS "Currency", max("Price: Subtotal") OVER whole AS "Price: Subtotal",
    max("Price: Total Shipping") OVER whole AS "Price: Total Shipping", max("Tax: Total") OVER whole AS "Tax: Total",
    max(coalesce("Created At", "Processed At")) OVER whole AS created_at,
    max("Updated At") OVER whole AS "Updated At", max("Cancelled At") OVER whole AS "Cancelled At",
    max(lower("Payment: Status")) OVER whole AS status,
    max(number("Price: Total Discount", '.')) OVER whole AS discount,
    coalesce(max(number("Price: Total", '.')) OVER whole,
      sum(paid) FILTER (paid_by IN ('sale', 'capture')) OVER whole) AS charged,
    coalesce(max(number("Price: Total Refund", '.')) OVER whole, sum(paid) FILTER (paid_by = 'refund') OVER whole,
      -sum(line_total) FILTER (type LIKE 'refund%') OVER whole) AS refunded,
    max("Refund: Created At") OVER whole AS refunded_at,
    max("Transaction: Gateway") FILTER (paid_by IN ('sale', 'capture', 'authorization')) OVER whole AS payment_method,
    bool_or(lower("Transaction: Test") = 'true' OR lower("Transaction: Gateway") = 'bogus') OVER whole AS is_test,
    sum(line_total) FILTER (type = 'line item') OVER whole AS goods,
    sum(line_total) FILTER (type = 'line item' AND beside IS NOT NULL) OVER whole AS not_goods
  FROM typed
  WINDOW whole AS (PARTITION BY _file, "Name"))
SELECT * EXCLUDE (type, discount, goods, refunded, not_goods),
  number("Price: Subtotal", '.') - coalesce(not_goods, 0) AS subtotal,
  number("Price: Total Shipping", '.') + coalesce(not_goods, 0) AS shipping,
  coalesce(refunded::TEXT, CASE status WHEN 'refunded' THEN charged::TEXT WHEN 'partially_refunded' THEN 'unknown' END)
    AS order_refunded,
  -- The lines may be before or after the discounts: the subtotal decides.
  CASE WHEN abs(goods - discount - number("Price: Subtotal", '.')) < 0.01 THEN discount END AS order_discount
FROM filled WHERE type = 'line item'
