-- The newest state of each order, with its items. Files without refunds may write 0.00 as the adjusted total of all orders.
WITH dated AS (
  SELECT *, max(mdy("Sale Date")) OVER (PARTITION BY _file) AS reached FROM orders
), states AS (
  SELECT *, number("Order Total", '.') - number("Adjusted Order Total", '.') AS lowered,
    number("Adjusted Order Total", '.') <> 0 OR "Status" ILIKE '%refunded%'
      OR bool_or("Adjusted Order Total" IS NULL) OVER (PARTITION BY _file) AS is_adjusted
  FROM dated
  QUALIFY row_number() OVER (PARTITION BY ltrim("Order ID", '#') ORDER BY reached DESC, _file DESC, _line DESC) = 1
)
SELECT items._file, items._line, ltrim(items."Order ID", '#') AS "Order ID",
  coalesce(states."Buyer User ID", states."Buyer", items."Buyer") AS "Customer",
  items."SKU", items."Listing ID",
  replace(replace(replace(items."Item Name", '&quot;', '"'), '&#39;', ''''), '&amp;', '&') AS "Item Name",
  items."Quantity", items."Price", items."Discount Amount", items."Currency", items."Sale Date", items."Date Paid",
  states."Payment Method", states."Status", states."Order Total", states."Sales Tax",
  number(states."Order Value", '.') - coalesce(abs(number(states."Discount Amount", '.')), 0) AS "Subtotal",
  number(coalesce(states."Shipping", states."Delivery"), '.')
    - coalesce(abs(number(coalesce(states."Shipping Discount", states."Delivery Discount"), '.')), 0) AS "Shipping",
  CASE WHEN is_adjusted THEN greatest(lowered, 0) END AS "Refunded"
FROM items LEFT JOIN states ON ltrim(items."Order ID", '#') = ltrim(states."Order ID", '#')
