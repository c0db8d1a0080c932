SELECT _file, _line, "ID", "Purchase Date", "Customer Email", "Payment Method", "Grand Total (Base)",
  lower("Status") AS status,
  number("Grand Total (Base)", '.') - coalesce(number("Shipping and Handling", '.'), 0) AS goods,
  coalesce("Total Refunded", CASE WHEN lower("Status") = 'closed' THEN "Grand Total (Base)" END) AS order_refunded
FROM orders
