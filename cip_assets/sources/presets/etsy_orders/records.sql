-- Files without refunds may write 0.00 as the adjusted total of all orders.
SELECT * REPLACE (
    ltrim("Order ID", '#') AS "Order ID",
    number(coalesce("Shipping", "Delivery"), '.')
      - coalesce(abs(number(coalesce("Shipping Discount", "Delivery Discount"), '.')), 0) AS "Shipping"),
  CASE WHEN number("Adjusted Order Total", '.') <> 0 OR "Status" ILIKE '%refunded%'
      OR bool_or("Adjusted Order Total" IS NULL) OVER (PARTITION BY _file)
    THEN greatest(number("Order Total", '.') - number("Adjusted Order Total", '.'), 0) END AS "Refunded"
FROM orders
