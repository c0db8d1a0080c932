SELECT _file, _line, "ID", "Purchase Date", "Customer Email", "Payment Method", "Grand Total (Base)", "Total Refunded",
  number("Grand Total (Base)", '.') - coalesce(number("Shipping and Handling", '.'), 0) AS goods, lower("Status") AS status
FROM orders
