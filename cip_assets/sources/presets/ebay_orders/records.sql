-- The items, with what their order's record says. An order of one item has a single record.
WITH filled AS (
  SELECT *,
    first_value("Buyer Username" IGNORE NULLS) OVER whole AS buyer,
    first_value("Payment Method" IGNORE NULLS) OVER whole AS method,
    first_value("Paid On Date" IGNORE NULLS) OVER whole AS paid,
    first_value("Sale Date" IGNORE NULLS) OVER whole AS sold,
    first_value("eBay Collected Tax Included in Total" IGNORE NULLS) OVER whole AS is_included,
    first_value(number("Total Price", '.') IGNORE NULLS) OVER whole AS total,
    first_value(number(coalesce("Shipping And Handling", "Postage And Packaging"), '.') IGNORE NULLS) OVER whole
      AS shipping,
    coalesce(first_value(number("Seller Collected Tax", '.') IGNORE NULLS) OVER whole, 0) AS seller_tax,
    coalesce(first_value(number("eBay Collected Tax", '.') IGNORE NULLS) OVER whole, 0) AS ebay_tax
  FROM orders
  WHERE "Sales Record Number" IS NOT NULL
  WINDOW whole AS (PARTITION BY _file, "Sales Record Number" ORDER BY _line
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
SELECT _file, _line, "Sales Record Number", buyer AS "Buyer Username", "Custom Label", "Item Number", "Item Title",
  "Quantity", "Sold For", shipping AS "Shipping", seller_tax + ebay_tax AS "Tax",
  total + CASE WHEN is_included ILIKE 'no' THEN ebay_tax ELSE 0 END AS "Charged",
  method AS "Payment Method", sold AS "Sale Date", paid AS "Paid On Date"
FROM filled
WHERE "Item Number" IS NOT NULL
